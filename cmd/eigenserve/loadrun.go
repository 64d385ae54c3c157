package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// loadReport is what bench serve found.
type loadReport struct {
	Models int         `json:"models"`
	Zipf   float64     `json:"zipf"`
	Runs   []runReport `json:"runs"`
}

// runReport is what one server did.
type runReport struct {
	Name string `json:"name"`
	// Started is how long the server took to listen, in seconds.
	Started float64 `json:"start_seconds,omitempty"`
	Idle    int64   `json:"idle_rss_bytes"`
	// First are the first answers of every model, Warm the later ones of one.
	First    *latencies    `json:"first,omitempty"`
	Warm     *latencies    `json:"warm,omitempty"`
	NoSlab   int64         `json:"rss_after_first_bytes,omitempty"`
	Adds     *addsReport   `json:"adds,omitempty"`
	Models   int           `json:"models"`
	Capacity float64       `json:"capacity,omitempty"` // answers a second
	Stages   []stageReport `json:"stages"`
	Peak     int64         `json:"peak_rss_bytes,omitempty"`
	Dense    int64         `json:"dense_bytes"`
	Verified *verified     `json:"verified,omitempty"`

	beside int64 // bytes that the server had beside its weight cache
}

func (r *loadReport) wrong() (n int64) {
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

// run puts the load on the server, and on those to compare with.
func (l *loading) run(ctx context.Context, p *progress) (*loadReport, error) {
	r := &loadReport{Zipf: l.zipf}
	beside := int64(0)
	for _, name := range append([]string{""}, l.baselines...) {
		run, models, err := l.one(ctx, name, beside, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", title(name), err)
		}
		if name == "" {
			r.Models, beside = models, run.beside
		}
		r.Runs = append(r.Runs, *run)
	}
	return r, nil
}

// one runs all stages on one server.
func (l *loading) one(ctx context.Context, name string, beside int64, p *progress) (_ *runReport, models int, err error) {
	r := &runReport{Name: title(name)}
	address := l.server
	if address == "" {
		server, err := startServing(ctx, l.flags(name, beside)...)
		if err != nil {
			return nil, 0, err
		}
		defer func() { r.Peak = server.stop() }()
		address, r.Started = server.url, server.started.Seconds()
	}
	t, images, err := l.target(ctx, address)
	if err != nil {
		return nil, 0, err
	}
	if l.verify > 0 && name != "dense" {
		t.sample = &sampler{most: l.verify, r: rand.New(rand.NewPCG(l.seed, 3))}
	}
	if err := l.stages(ctx, t, r, p); err != nil {
		return nil, 0, err
	}
	if t.sample != nil {
		v, err := t.sample.verify(l.store, t, images, func(done, total int) { p.show("verify", done, total) })
		if err != nil {
			return nil, 0, err
		}
		r.Verified = &v
	}
	return r, len(t.models), nil
}

// stages asks every model once, if that is wanted, finds the capacity, and puts
// the loads on.
func (l *loading) stages(ctx context.Context, t *target, r *runReport, p *progress) error {
	before, err := t.account(ctx)
	if err != nil {
		return err
	}
	r.Idle, r.Dense, r.Models = before.RSS, before.Dense, len(t.models)
	if l.addCount > 0 {
		if r.Adds, err = l.adds(ctx, t, p); err != nil {
			return err
		}
	}
	if l.first {
		if err := l.firsts(ctx, t, r, p); err != nil {
			return err
		}
	}
	choose := newPopularity(len(t.models), l.zipf, l.seed)
	rates := []float64{l.rate}
	if l.rate == 0 {
		p.show(r.Name+": capacity", 0, 1)
		// What is popular is rebuilt and decoded first: that is not counted.
		t.closed(ctx, l.workers, l.probing/2, choose, l.seed+1)
		out, took := t.closed(ctx, l.workers, l.probing, choose, l.seed)
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Capacity = float64(out.answered) / took.Seconds(); r.Capacity == 0 {
			return fmt.Errorf("not one answer while the capacity was measured: %v", out.complaints)
		}
		p.show(r.Name+": capacity", 1, 1)
		rates = rates[:0]
		for _, load := range l.loads {
			rates = append(rates, load*r.Capacity)
		}
	}
	for i, rate := range rates {
		name := fmt.Sprintf("%.3g a second", rate)
		if l.rate == 0 {
			name = fmt.Sprintf("%g of capacity", l.loads[i])
		}
		p.show(r.Name+": "+name, 0, 1)
		memory := t.watchMemory(ctx, int64(l.limit))
		began := time.Now()
		out, err := t.open(ctx, rate, l.warmup, l.duration, choose, l.seed+uint64(i))
		stage := out.report(name, rate, max(time.Since(began)-l.warmup, l.duration))
		stage.Memory = memory()
		if err != nil {
			return err
		}
		r.Stages = append(r.Stages, stage)
		p.show(r.Name+": "+name, 1, 1)
	}
	after, err := t.account(ctx)
	if err != nil {
		return err
	}
	r.Dense, r.beside = max(r.Dense, after.Dense), after.Basis+after.Coefficients+after.Private+after.Catalogue
	return nil
}

// warmed is how many warm answers first ones are compared with, at most.
const warmed = 100

// firsts asks every model once. In between it asks one whose weights are pinned,
// so that both kinds of answers are had under the same conditions.
func (l *loading) firsts(ctx context.Context, t *target, r *runReport, p *progress) error {
	pin := "/v1/models/" + url.PathEscape(t.models[0].name) + "/pin"
	first, warm := newOutcomes(), newOutcomes()
	first.add(t.ask(ctx, arrival{}, time.Now()))
	if _, err := t.client.call(ctx, http.MethodPost, pin, "", nil, nil); err != nil {
		return err
	}
	every := (len(t.models) + warmed - 1) / warmed
	for i := range t.models {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			first.add(t.ask(ctx, arrival{model: i, image: i % len(t.images)}, time.Now()))
		}
		if i%every == 0 {
			warm.add(t.ask(ctx, arrival{image: i % len(t.images)}, time.Now()))
		}
		p.show(r.Name+": first answers", i+1, len(t.models))
	}
	if _, err := t.client.call(ctx, http.MethodDelete, pin, "", nil, nil); err != nil {
		return err
	}
	if first.answered < first.offered || first.wrong > 0 {
		return fmt.Errorf("%d of %d models answered, %d wrongly: %v", first.answered, first.offered, first.wrong, first.complaints)
	}
	account, err := t.account(ctx)
	if err != nil {
		return err
	}
	r.NoSlab = account.RSS - account.Slabs
	a, b := latenciesOf(first.all), latenciesOf(warm.all)
	r.First, r.Warm = &a, &b
	return nil
}

// account is what the server tells of its memory.
type account struct {
	Basis        int64 `json:"basis_bytes"`
	Coefficients int64 `json:"coefficients_bytes"`
	Private      int64 `json:"private_bytes"`
	Catalogue    int64 `json:"catalogue_bytes"`
	Slabs        int64 `json:"slabs_bytes"`
	Total        int64 `json:"total_bytes"`
	RSS          int64 `json:"rss_bytes"`
	Dense        int64 `json:"dense_bytes"`
}

func (t *target) account(ctx context.Context) (a account, err error) {
	_, err = t.client.call(ctx, http.MethodGet, "/v1/memory", "", nil, &a)
	return a, err
}

// madeImageCount is how many images are made up.
const madeImageCount = 16

// target finds out what a server serves. The images come encoded, too.
func (l *loading) target(ctx context.Context, address string) (*target, [][]byte, error) {
	c, err := newClient(address)
	if err != nil {
		return nil, nil, err
	}
	list, err := c.variants(ctx)
	if err != nil {
		return nil, nil, err
	}
	var models []askedModel
	for _, v := range list {
		models = append(models, askedModel{v.Name, v.Digest, v.Family})
	}
	if l.models > 0 && l.models < len(models) {
		models = models[:l.models]
	}
	if len(models) == 0 {
		return nil, nil, errNoModels
	}
	detail, err := c.variant(ctx, models[0].name)
	if err != nil {
		return nil, nil, err
	}
	images, err := loadImages(l.images, detail.Input.Height, detail.Input.Width, madeImageCount)
	if err != nil {
		return nil, nil, err
	}
	bodies, err := bodies(images)
	if err != nil {
		return nil, nil, err
	}
	return newTarget(c, slices.Clip(models), bodies, l.connections), images, nil
}
