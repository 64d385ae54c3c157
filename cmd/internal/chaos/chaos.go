// Package chaos runs a server under faults (kills, full disks, broken uploads, slow
// clients, refits by other processes) and checks every answer and every acknowledged
// write against a model of what the server may do. It measures no speed: see package
// load.
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
	"eigenserve/cmd/internal/load"
	"eigenserve/runtime"
)

// Options describe a run.
type Options struct {
	Duration  time.Duration
	Seed      uint64
	Readers   int     // concurrent clients that only read
	MaxGrowth float64 // of memory, see Memory
}

// run is a run in progress.
type run struct {
	env    *environment
	report *Report
	names  []string // models, then aliases
	// diskFull counts the activities that keep the server's disk full, or did just now.
	diskFull atomic.Int32
	// refitTook is how long the last complete refit took, in nanoseconds. A refit to be
	// killed is killed within that time.
	refitTook atomic.Int64
}

func (c *run) models() []string { return c.names[:len(c.names)-len(c.env.names.aliases)] }

// activity is something that clients do again and again, with random pauses.
type activity struct {
	do                 func(context.Context, *rand.Rand)
	clients            int
	minPause, maxPause time.Duration
	kills              bool // in the first half of the run only
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

// pause returns a random pause.
func (a activity) pause(r *rand.Rand) time.Duration {
	return a.minPause + time.Duration(r.Int64N(int64(a.maxPause-a.minPause)+1))
}

// Run runs in the folder dir. The report counts what was wrong; the error is for runs
// that could not be carried out.
func (o Options) Run(ctx context.Context, dir string, p *cli.Progress) (*Report, error) {
	p.Update("fit a family", 0, 1)
	env, err := newEnvironment(ctx, dir, o.Seed)
	if err != nil {
		return nil, err
	}
	defer env.reference.engine.Close()
	p.Update("fit a family", 1, 1)
	env.server.args = []string{"--store", env.storeDir(), "--weight-cache", "256KiB", "--compute", "f32", "--read-timeout", "2s", "--write-timeout", "2s",
		"--min-agreement", "0", "--allow-lossy", "--log-level", "warn"}
	if err := env.server.start(ctx); err != nil {
		return nil, err
	}
	c := &run{env: env, report: newReport(o.Seed)}
	c.names = slices.Concat(env.names.fitted, env.names.live, env.names.aborted, env.names.aliases)
	c.refitTook.Store(int64(2 * time.Second))
	start := time.Now()
	memory := c.runActivities(ctx, o, p)
	if err := c.checkRestart(ctx); err != nil {
		return nil, err
	}
	err = errors.Join(append(c.report.errs, ctx.Err(), c.checkStore(ctx), os.WriteFile(filepath.Join(dir, "server.log"), env.server.log, 0o644))...)
	c.checkLog()
	c.report.finish(time.Since(start), memory, env.server.peak)
	return c.report, err
}

// checkRestart checks the server, restarts it, and checks it again.
func (c *run) checkRestart(ctx context.Context) error {
	c.reconcileAll(ctx, false)
	c.report.violationIf(c.env.server.stop())
	if err := c.env.server.restart(ctx); err != nil {
		return err
	}
	c.reconcileAll(ctx, true)
	c.report.violationIf(c.env.server.stop())
	return nil
}

// runActivities runs all activities until the time is over. It returns the server's
// accounts of its memory since the last kill.
func (c *run) runActivities(ctx context.Context, o Options, p *cli.Progress) []runtime.Ledger {
	start := time.Now()
	steady, end := start.Add(o.Duration/2), start.Add(o.Duration)
	var all sync.WaitGroup
	for k, a := range c.activities(o) {
		until := end
		if a.kills {
			until = steady
		}
		for i := range a.clients {
			all.Go(func() {
				r := rand.New(rand.NewPCG(o.Seed, uint64(k*100+i)))
				for pause(ctx, a.pause(r)); ctx.Err() == nil && time.Now().Before(until); pause(ctx, a.pause(r)) {
					a.do(ctx, r)
				}
			})
		}
	}
	var memory []runtime.Ledger
	for time.Now().Before(end) && ctx.Err() == nil {
		pause(ctx, 250*time.Millisecond)
		p.Update("chaos", int(time.Since(start).Seconds()), int(o.Duration.Seconds()))
		if i := c.env.server.current.Load(); i.started.Add(time.Second).Before(time.Now()) && time.Now().After(steady) {
			if l, err := i.Memory(ctx); err == nil {
				memory = append(memory, l)
			}
		}
	}
	all.Wait()
	return memory
}

func pause(ctx context.Context, d time.Duration) { _ = load.SleepUntil(ctx, time.Now().Add(d)) }
