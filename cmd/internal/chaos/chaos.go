package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

// Options are what bench chaos was asked for.
type Options struct {
	Dir       string
	Duration  time.Duration
	Seed      uint64
	Readers   int
	MaxGrowth float64
}

// run is a run.
type run struct {
	env    *environment
	report *Report
	names  []string // all that can be asked: models first
	// full counts the times that the disk is, or just was, full.
	diskFull atomic.Int32
	// refitTook is how long the last refit took: one that is to be killed dies
	// within it.
	refitTook atomic.Int64
}

func (c *run) models() []string { return c.names[:len(c.names)-len(c.env.names.aliases)] }

// activity does something again and again.
type activity struct {
	run                func(context.Context, *rand.Rand)
	clients            int
	minPause, maxPause time.Duration // pauses between, from least to too
	killsOnly          bool          // only while there are deaths
}

func (c *run) activities(o Options) []activity {
	ms := time.Millisecond
	return []activity{
		{c.readOnce, o.Readers, 0, 4 * ms, false},
		{c.changeModel, 3, 5 * ms, 60 * ms, false},
		{c.moveAlias, 1, 20 * ms, 200 * ms, false},
		{c.abortUpload, 1, 50 * ms, 300 * ms, false},
		{c.slowClient, 2, 0, 500 * ms, false},
		{c.hangUp, 1, 10 * ms, 200 * ms, false},
		{c.pinModel, 1, 50 * ms, 400 * ms, false},
		{c.browse, 1, 20 * ms, 200 * ms, false},
		{c.refitFamily, 1, 500 * ms, 4000 * ms, false},
		{c.collectGarbage, 1, 1000 * ms, 4000 * ms, false},
		{c.fillDisk, 1, 1000 * ms, 5000 * ms, false},
		{c.killServer, 1, 800 * ms, max(1500*ms, min(8000*ms, o.Duration/40)), true},
	}
}

// Run makes a world and troubles it.
func (o Options) Run(ctx context.Context, dir string, p *cli.Progress) (*Report, error) {
	p.Update("fit a family", 0, 1)
	w, err := newEnvironment(ctx, dir, o.Seed)
	if err != nil {
		return nil, err
	}
	defer w.reference.eng.Close()
	p.Update("fit a family", 1, 1)
	w.server.args = []string{"--store", w.storeDir(), "--weight-cache", "256KiB", "--compute", "f32", "--read-timeout", "2s", "--write-timeout", "2s",
		"--min-agreement", "0", "--allow-lossy", "--log-level", "warn"}
	if err := w.server.start(ctx); err != nil {
		return nil, err
	}
	c := &run{env: w, report: newReport(o.Seed)}
	c.names = slices.Concat(w.names.fitted, w.names.live, w.names.cut, w.names.aliases)
	c.refitTook.Store(int64(2 * time.Second))
	began := time.Now()
	memory := c.runActivities(ctx, o, p)
	c.reconcileAll(ctx, false)
	c.report.violationIf(w.server.stop())
	if err := w.server.restart(ctx); err != nil {
		return nil, err
	}
	c.reconcileAll(ctx, true)
	c.report.violationIf(w.server.stop())
	err = errors.Join(append(c.report.errs, ctx.Err(), c.checkStore(ctx), os.WriteFile(filepath.Join(dir, "server.log"), w.server.log, 0o644))...)
	c.scanLog()
	c.report.finish(time.Since(began), memory, w.server.peak)
	return c.report, err
}

// runActivities lets all actors loose until the time is over, and gives the
// server's accounts since the last death.
func (c *run) runActivities(ctx context.Context, o Options, p *cli.Progress) []runtime.Ledger {
	began := time.Now()
	steady, end := began.Add(o.Duration/2), began.Add(o.Duration)
	var all sync.WaitGroup
	for k, a := range c.activities(o) {
		until := end
		if a.killsOnly {
			until = steady
		}
		for i := range a.clients {
			all.Go(func() {
				r := rand.New(rand.NewPCG(o.Seed, uint64(k*100+i)))
				for pause(ctx, a.pause(r)); ctx.Err() == nil && time.Now().Before(until); pause(ctx, a.pause(r)) {
					a.run(ctx, r)
				}
			})
		}
	}
	var memory []runtime.Ledger
	for time.Now().Before(end) && ctx.Err() == nil {
		pause(ctx, 250*time.Millisecond)
		p.Update("trouble", int(time.Since(began).Seconds()), int(o.Duration.Seconds()))
		if l := c.env.server.current.Load(); l.started.Add(time.Second).Before(time.Now()) && time.Now().After(steady) {
			if a, err := l.Memory(ctx); err == nil {
				memory = append(memory, a)
			}
		}
	}
	all.Wait()
	return memory
}

func (a activity) pause(r *rand.Rand) time.Duration {
	return a.minPause + time.Duration(r.Int64N(int64(a.maxPause-a.minPause)+1))
}
