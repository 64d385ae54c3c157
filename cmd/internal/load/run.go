package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/client"
	"eigenserve/cmd/internal/process"
)

// Run puts the load on the server, and then on each baseline's.
func (o *Options) Run(ctx context.Context, p *cli.Progress) (*Report, error) {
	r := &Report{Zipf: o.Zipf}
	resident := int64(0) // of the first server, besides its weight cache
	for _, baseline := range append([]string{""}, o.Baselines...) {
		one, err := o.runServer(ctx, baseline, resident, p)
		if err != nil && baseline != "" {
			err = fmt.Errorf("%s: %w", title(baseline), err)
		}
		if err != nil {
			return nil, err
		}
		if baseline == "" {
			r.Models, resident = one.Models, one.residentBesidesCache
		}
		r.Runs = append(r.Runs, *one)
	}
	return r, nil
}

// run is the load on one server.
type run struct {
	options  *Options
	target   *target
	report   *ServerReport
	progress *cli.Progress
}

// runServer measures one server, which it starts unless one is running.
func (o *Options) runServer(ctx context.Context, baseline string, resident int64, p *cli.Progress) (*ServerReport, error) {
	r := &ServerReport{Name: title(baseline)}
	address := o.Server
	if address == "" {
		server, err := process.StartServer(ctx, o.serverFlags(baseline, resident)...)
		if err != nil {
			return nil, err
		}
		defer func() { r.Peak = server.Stop() }()
		address, r.Started = server.URL, server.StartupTime.Seconds()
	}
	t, images, err := o.connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if o.Verify > 0 && baseline != "dense" {
		t.sample = &reservoir{capacity: o.Verify, r: rand.New(rand.NewPCG(o.Seed, 3))}
	}
	if err := (&run{o, t, r, p}).all(ctx); err != nil {
		return nil, err
	}
	if t.sample != nil {
		r.Verified, err = t.sample.verify(o.Store, t, images, func(done, total int) { p.Update("verify", done, total) })
	}
	return r, err
}

// connect returns a target of the models that a server serves, and the images that
// its requests hold.
func (o *Options) connect(ctx context.Context, address string) (*target, [][]byte, error) {
	c, err := client.New(address)
	if err != nil {
		return nil, nil, err
	}
	list, err := c.Variants(ctx)
	if err != nil {
		return nil, nil, err
	}
	if o.Models > 0 {
		list = list[:min(o.Models, len(list))]
	}
	if len(list) == 0 {
		return nil, nil, errors.New("the server has no models")
	}
	var models []servedModel
	for _, v := range list {
		models = append(models, servedModel{v.Name, v.Digest})
	}
	detail, err := c.Variant(ctx, models[0].name)
	if err != nil {
		return nil, nil, err
	}
	images, err := requestImages(o.Images, detail.Input.Height, detail.Input.Width)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := LogitRequests(images)
	if err != nil {
		return nil, nil, err
	}
	return newTarget(c, models, bodies, o.Connections), images, nil
}
