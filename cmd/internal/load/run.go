package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/client"
	"eigenserve/cmd/internal/process"
)

// Report is what bench serve found.
type Report struct {
	Models int            `json:"models"`
	Zipf   float64        `json:"zipf"`
	Runs   []ServerReport `json:"runs"`
}

// ServerReport is what one server did.
type ServerReport struct {
	Name string `json:"name"`
	// Started is how long the server took to listen, in seconds.
	Started float64 `json:"start_seconds,omitempty"`
	Idle    int64   `json:"idle_rss_bytes"`
	// First are the first answers of every model, Warm the later ones of one.
	First    *Latencies    `json:"first,omitempty"`
	Warm     *Latencies    `json:"warm,omitempty"`
	NoSlab   int64         `json:"rss_after_first_bytes,omitempty"`
	Adds     *GrowthReport `json:"adds,omitempty"`
	Models   int           `json:"models"`
	Capacity float64       `json:"capacity,omitempty"` // answers a second
	Stages   []StageReport `json:"stages"`
	Peak     int64         `json:"peak_rss_bytes,omitempty"`
	Dense    int64         `json:"dense_bytes"`
	Verified *Verification `json:"verified,omitempty"`

	residentBesideCache int64 // bytes that the server had beside its weight cache
}

func (r *Report) Wrong() (n int64) {
	for _, run := range r.Runs {
		for _, s := range run.Stages {
			n += s.Wrong
		}
		if run.Verified != nil {
			n += int64(run.Verified.Wrong)
		}
	}
	return n
}

// Run puts the load on the server, and on those to compare with.
func (l *Options) Run(ctx context.Context, p *cli.Progress) (*Report, error) {
	r := &Report{Zipf: l.Zipf}
	beside := int64(0)
	for _, name := range append([]string{""}, l.Baselines...) {
		run, models, err := l.runServer(ctx, name, beside, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", title(name), err)
		}
		if name == "" {
			r.Models, beside = models, run.residentBesideCache
		}
		r.Runs = append(r.Runs, *run)
	}
	return r, nil
}

// runServer runs all stages on one server.
func (l *Options) runServer(ctx context.Context, name string, beside int64, p *cli.Progress) (_ *ServerReport, models int, err error) {
	r := &ServerReport{Name: title(name)}
	address := l.Server
	if address == "" {
		server, err := process.StartServer(ctx, l.serverFlags(name, beside)...)
		if err != nil {
			return nil, 0, err
		}
		defer func() { r.Peak = server.Stop() }()
		address, r.Started = server.URL, server.StartupTime.Seconds()
	}
	t, images, err := l.connect(ctx, address)
	if err != nil {
		return nil, 0, err
	}
	if l.Verify > 0 && name != "dense" {
		t.sample = &reservoir{capacity: l.Verify, r: rand.New(rand.NewPCG(l.Seed, 3))}
	}
	if err := l.runStages(ctx, t, r, p); err != nil {
		return nil, 0, err
	}
	if t.sample != nil {
		v, err := t.sample.verify(l.Store, t, images, func(done, total int) { p.Update("verify", done, total) })
		if err != nil {
			return nil, 0, err
		}
		r.Verified = &v
	}
	return r, len(t.models), nil
}

// runStages asks every model once, if that is wanted, finds the capacity, and puts
// the loads on.
func (l *Options) runStages(ctx context.Context, t *target, r *ServerReport, p *cli.Progress) error {
	before, err := t.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.Idle, r.Dense, r.Models = before.RSS, before.Dense, len(t.models)
	if l.Adds > 0 {
		if r.Adds, err = l.measureGrowth(ctx, t, p); err != nil {
			return err
		}
	}
	if l.First {
		if err := l.firstAnswers(ctx, t, r, p); err != nil {
			return err
		}
	}
	choose := newPopularity(len(t.models), l.Zipf, l.Seed)
	rates := []float64{l.Rate}
	if l.Rate == 0 {
		p.Update(r.Name+": capacity", 0, 1)
		// What is popular is rebuilt and decoded first: that is not counted.
		t.closedLoop(ctx, l.Workers, l.CapacityTime/2, choose, l.Seed+1)
		out, took := t.closedLoop(ctx, l.Workers, l.CapacityTime, choose, l.Seed)
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Capacity = float64(out.answered) / took.Seconds(); r.Capacity == 0 {
			return fmt.Errorf("not one answer while the capacity was measured: %v", out.problems)
		}
		p.Update(r.Name+": capacity", 1, 1)
		rates = rates[:0]
		for _, load := range l.Loads {
			rates = append(rates, load*r.Capacity)
		}
	}
	for i, rate := range rates {
		name := fmt.Sprintf("%.3g a second", rate)
		if l.Rate == 0 {
			name = fmt.Sprintf("%g of capacity", l.Loads[i])
		}
		p.Update(r.Name+": "+name, 0, 1)
		memory := t.sampleMemory(ctx, int64(l.MemoryLimit))
		began := time.Now()
		out, err := t.openLoop(ctx, rate, l.Warmup, l.Duration, choose, l.Seed+uint64(i))
		stage := out.report(name, rate, max(time.Since(began)-l.Warmup, l.Duration))
		stage.Memory = memory()
		if err != nil {
			return err
		}
		r.Stages = append(r.Stages, stage)
		p.Update(r.Name+": "+name, 1, 1)
	}
	after, err := t.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.Dense, r.residentBesideCache = max(r.Dense, after.Dense), after.Basis+after.Coefficients+after.Private+after.Catalogue
	return nil
}

// warmAnswers is how many warm answers first ones are compared with, at most.
const warmAnswers = 100

// firstAnswers asks every model once. In between it asks one whose weights are pinned,
// so that both kinds of answers are had under the same conditions.
func (l *Options) firstAnswers(ctx context.Context, t *target, r *ServerReport, p *cli.Progress) error {
	pin := "/v1/models/" + url.PathEscape(t.models[0].name) + "/pin"
	first, warm := newStageStats(), newStageStats()
	first.add(t.send(ctx, arrival{}, time.Now()))
	if _, err := t.client.Call(ctx, http.MethodPost, pin, "", nil, nil); err != nil {
		return err
	}
	every := (len(t.models) + warmAnswers - 1) / warmAnswers
	for i := range t.models {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			first.add(t.send(ctx, arrival{model: i, image: i % len(t.images)}, time.Now()))
		}
		if i%every == 0 {
			warm.add(t.send(ctx, arrival{image: i % len(t.images)}, time.Now()))
		}
		p.Update(r.Name+": first answers", i+1, len(t.models))
	}
	if _, err := t.client.Call(ctx, http.MethodDelete, pin, "", nil, nil); err != nil {
		return err
	}
	if first.answered < first.offered || first.wrong > 0 {
		return fmt.Errorf("%d of %d models answered, %d wrongly: %v", first.answered, first.offered, first.wrong, first.problems)
	}
	account, err := t.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.NoSlab = account.RSS - account.Slabs
	a, b := Summarize(first.all), Summarize(warm.all)
	r.First, r.Warm = &a, &b
	return nil
}

// syntheticImages is how many images are made up.
const syntheticImages = 16

// connect finds out what a server serves. The images come encoded, too.
func (l *Options) connect(ctx context.Context, address string) (*target, [][]byte, error) {
	c, err := client.New(address)
	if err != nil {
		return nil, nil, err
	}
	list, err := c.Variants(ctx)
	if err != nil {
		return nil, nil, err
	}
	var models []servedModel
	for _, v := range list {
		models = append(models, servedModel{v.Name, v.Digest, v.Family})
	}
	if l.Models > 0 && l.Models < len(models) {
		models = models[:l.Models]
	}
	if len(models) == 0 {
		return nil, nil, errors.New("the server has no models to ask")
	}
	detail, err := c.Variant(ctx, models[0].name)
	if err != nil {
		return nil, nil, err
	}
	images, err := requestImages(l.Images, detail.Input.Height, detail.Input.Width, syntheticImages)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := LogitRequests(images)
	if err != nil {
		return nil, nil, err
	}
	return newTarget(c, slices.Clip(models), bodies, l.Connections), images, nil
}
