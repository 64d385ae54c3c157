package load

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// all measures everything that the options ask for.
func (r *run) all(ctx context.Context) error {
	before, err := r.target.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.report.Idle, r.report.Dense, r.report.Models = before.RSS, before.Dense, len(r.target.models)
	if r.options.Adds > 0 {
		if r.report.Adds, err = r.measureGrowth(ctx); err != nil {
			return err
		}
	}
	if r.options.First {
		if err := r.measureFirstAnswers(ctx); err != nil {
			return err
		}
	}
	if err := r.putLoads(ctx, newPopularity(len(r.target.models), r.options.Zipf, r.options.Seed)); err != nil {
		return err
	}
	after, err := r.target.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.report.Dense = max(r.report.Dense, after.Dense)
	r.report.residentBesidesCache = after.Basis + after.Coefficients + after.Private + after.Catalogue
	return nil
}

// putLoads runs a stage at --rate, or one at each --load times the capacity.
func (r *run) putLoads(ctx context.Context, models *popularity) error {
	if r.options.Rate > 0 {
		return r.stage(ctx, fmt.Sprintf("%.3g a second", r.options.Rate), r.options.Rate, models, 0)
	}
	if err := r.measureCapacity(ctx, models); err != nil {
		return err
	}
	for i, load := range r.options.Loads {
		if err := r.stage(ctx, fmt.Sprintf("%g of capacity", load), load*r.report.Capacity, models, i); err != nil {
			return err
		}
	}
	return nil
}

// measureCapacity measures the answers per second that a closed loop gets.
func (r *run) measureCapacity(ctx context.Context, models *popularity) error {
	stage := r.report.Name + ": capacity"
	r.progress.Update(stage, 0, 1)
	o := r.options
	// The first half lets the popular models be rebuilt and is not counted.
	r.target.closedLoop(ctx, o.Workers, o.CapacityTime/2, models, o.Seed+1)
	stats, took := r.target.closedLoop(ctx, o.Workers, o.CapacityTime, models, o.Seed)
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.report.Capacity = float64(stats.answered) / took.Seconds(); r.report.Capacity == 0 {
		return fmt.Errorf("no request was answered while the capacity was measured: %v", stats.problems)
	}
	r.progress.Update(stage, 1, 1)
	return nil
}

// stage runs the open loop at a rate.
func (r *run) stage(ctx context.Context, name string, rate float64, models *popularity, i int) error {
	r.progress.Update(r.report.Name+": "+name, 0, 1)
	o := r.options
	memory := r.target.sampleMemory(ctx, int64(o.MemoryLimit))
	start := time.Now()
	stats, err := r.target.openLoop(ctx, rate, o.Warmup, o.Duration, models, o.Seed+uint64(i))
	stage := stats.report(name, rate, max(time.Since(start)-o.Warmup, o.Duration))
	stage.Memory = memory()
	if err != nil {
		return err
	}
	r.report.Stages = append(r.report.Stages, stage)
	r.progress.Update(r.report.Name+": "+name, 1, 1)
	return nil
}

// warmAnswers is the largest number of warm answers that first ones are compared to.
const warmAnswers = 100

// measureFirstAnswers sends one request to every model. In between it sends requests
// to a model whose weights are pinned, so that first and warm answers are measured
// under the same conditions.
func (r *run) measureFirstAnswers(ctx context.Context) error {
	t := r.target
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
			first.add(t.send(ctx, arrival{model: i, image: i % len(t.bodies)}, time.Now()))
		}
		if i%every == 0 {
			warm.add(t.send(ctx, arrival{image: i % len(t.bodies)}, time.Now()))
		}
		r.progress.Update(r.report.Name+": first answers", i+1, len(t.models))
	}
	if _, err := t.client.Call(ctx, http.MethodDelete, pin, "", nil, nil); err != nil {
		return err
	}
	if first.answered < first.offered || first.wrong > 0 {
		return fmt.Errorf("%d of %d models answered, %d of them wrongly: %v", first.answered, first.offered, first.wrong, first.problems)
	}
	memory, err := t.client.Memory(ctx)
	if err != nil {
		return err
	}
	r.report.NoSlab = memory.RSS - memory.Slabs
	a, b := Summarize(first.all), Summarize(warm.all)
	r.report.First, r.report.Warm = &a, &b
	return nil
}
