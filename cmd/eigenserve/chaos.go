package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// chaosOptions are what bench chaos was asked for.
type chaosOptions struct {
	dir      string
	duration time.Duration
	seed     uint64
	readers  int
	growth   float64
	json     bool
}

func (m *Main) benchChaos() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Trouble a server in every way while every answer is checked",
		Long: `Chaos fits a small family, serves it by a process of its own with a cache that is
too small, and troubles it: models are added, replaced, deleted and uploaded as
checkpoints, aliases moved to models, versions and canaries, the family refitted and
garbage collected by other processes; files are broken or cut off, clients are slow
or hang up, writes fail as on a full disk (a limit on the length of files, by
prlimit; Linux only), and for the first half of the time the server is killed (-9)
and started again every few seconds.

Meanwhile clients ask without a pause. Each answer must name a digest that its name
may have stood for while it was asked, by what was acknowledged and what was under
way, and its logits must be those that a reference works out from that file alone.
After each start every acknowledged write must be there, and nothing else. For the
second half nothing is killed: once a fifth of it is over, for caches, pools and Go's
heap to fill, the resident memory of the last third of the rest is compared with that
of the first, by their medians. A race detector keeps memory for each goroutine that
ever was: a build with one is held to the server's own account (GET /v1/memory).

It exits with 1 if an answer was wrong, a write lost, a file left over, or memory
grew by more than --growth (looked at in runs of five minutes and more).`,
		Example: "  eigenserve bench chaos --duration 10m",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.duration <= 0 || o.readers < 1 || o.growth <= 1 {
				return usagef("--duration and --readers must be positive, --growth more than 1")
			}
			return m.runChaos(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "new folder for the run's files, which are left there (default: a temporary one, removed if all went well)")
	cmd.Flags().DurationVar(&o.duration, "duration", time.Minute, "how long")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "another seed, other troubles")
	cmd.Flags().IntVar(&o.readers, "readers", 6, "clients that ask at once")
	cmd.Flags().Float64Var(&o.growth, "growth", 1.25, "how many times the memory of the first third the last may take, after a warm-up")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (m *Main) runChaos(ctx context.Context, o chaosOptions) error {
	dir, remove, err := chaosFolder(o.dir)
	if err != nil {
		return err
	}
	p := newProgress(m.Stderr)
	defer p.end()
	r, err := o.run(ctx, dir, p)
	p.end()
	if err != nil {
		return fmt.Errorf("%w; files are in %s", err, dir)
	}
	if o.json {
		err = printJSON(m.Stdout, r)
	} else {
		err = r.print(m.Stdout)
	}
	switch {
	case err != nil:
		return err
	case r.Wrong > 0:
		return fmt.Errorf("%d wrong answers or lost writes; files are in %s", r.Wrong, dir)
	case o.duration >= 5*time.Minute && r.Memory.Growth > o.growth:
		return fmt.Errorf("memory grew %.2f times, at most %.2f is allowed; files are in %s", r.Memory.Growth, o.growth, dir)
	}
	return remove()
}

func chaosFolder(dir string) (string, func() error, error) {
	if dir == "" {
		dir, err := os.MkdirTemp("", "eigenserve-chaos-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--dir %s is not empty: name a new folder", dir)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return dir, func() error { return nil }, err
}

// chaos is a run.
type chaos struct {
	w     *world
	r     *chaosReport
	names []string // all that can be asked: models first
	// full counts the times that the disk is, or just was, full.
	full atomic.Int32
	// refitTook is how long the last refit took: one that is to be killed dies
	// within it.
	refitTook atomic.Int64
}

func (c *chaos) models() []string { return c.names[:len(c.names)-len(c.w.names.aliases)] }

// actor does something again and again.
type actor struct {
	act        func(context.Context, *rand.Rand)
	count      int
	least, too time.Duration // pauses between, from least to too
	mortal     bool          // only while there are deaths
}

func (c *chaos) actors(o chaosOptions) []actor {
	ms := time.Millisecond
	return []actor{
		{c.read, o.readers, 0, 4 * ms, false},
		{c.change, 3, 5 * ms, 60 * ms, false},
		{c.moveAlias, 1, 20 * ms, 200 * ms, false},
		{c.cutOff, 1, 50 * ms, 300 * ms, false},
		{c.slow, 2, 0, 500 * ms, false},
		{c.hangUp, 1, 10 * ms, 200 * ms, false},
		{c.pin, 1, 50 * ms, 400 * ms, false},
		{c.browse, 1, 20 * ms, 200 * ms, false},
		{c.refit, 1, 500 * ms, 4000 * ms, false},
		{c.collect, 1, 1000 * ms, 4000 * ms, false},
		{c.fillDisk, 1, 1000 * ms, 5000 * ms, false},
		{c.die, 1, 800 * ms, max(1500*ms, min(8000*ms, o.duration/40)), true},
	}
}

// run makes a world and troubles it.
func (o chaosOptions) run(ctx context.Context, dir string, p *progress) (*chaosReport, error) {
	p.show("fit a family", 0, 1)
	w, err := newWorld(ctx, dir, o.seed)
	if err != nil {
		return nil, err
	}
	defer w.expected.eng.Close()
	p.show("fit a family", 1, 1)
	w.server.args = []string{"--store", w.store(), "--weight-cache", "256KiB", "--compute", "f32", "--read-timeout", "2s", "--write-timeout", "2s",
		"--min-agreement", "0", "--allow-lossy", "--log-level", "warn"}
	if err := w.server.start(ctx); err != nil {
		return nil, err
	}
	c := &chaos{w: w, r: newChaosReport(o.seed)}
	c.names = slices.Concat(w.names.fitted, w.names.live, w.names.cut, w.names.aliases)
	c.refitTook.Store(int64(2 * time.Second))
	began := time.Now()
	memory := c.trouble(ctx, o, p)
	c.settleAll(ctx, false)
	c.r.check(w.server.stop())
	if err := w.server.revive(ctx); err != nil {
		return nil, err
	}
	c.settleAll(ctx, true)
	c.r.check(w.server.stop())
	err = errors.Join(append(c.r.faults, ctx.Err(), c.sweep(ctx), os.WriteFile(filepath.Join(dir, "server.log"), w.server.log, 0o644))...)
	c.watchLog()
	c.r.finish(time.Since(began), memory, w.server.peak)
	return c.r, err
}

// trouble lets all actors loose until the time is over, and gives the
// server's accounts since the last death.
func (c *chaos) trouble(ctx context.Context, o chaosOptions, p *progress) []account {
	began := time.Now()
	steady, end := began.Add(o.duration/2), began.Add(o.duration)
	var all sync.WaitGroup
	for k, a := range c.actors(o) {
		until := end
		if a.mortal {
			until = steady
		}
		for i := range a.count {
			all.Go(func() {
				r := rand.New(rand.NewPCG(o.seed, uint64(k*100+i)))
				for pause(ctx, a.between(r)); ctx.Err() == nil && time.Now().Before(until); pause(ctx, a.between(r)) {
					a.act(ctx, r)
				}
			})
		}
	}
	var memory []account
	for time.Now().Before(end) && ctx.Err() == nil {
		pause(ctx, 250*time.Millisecond)
		p.show("trouble", int(time.Since(began).Seconds()), int(o.duration.Seconds()))
		var a account
		if l := c.w.server.life.Load(); l.began.Add(time.Second).Before(time.Now()) && time.Now().After(steady) {
			if _, err := l.call(ctx, "GET", "/v1/memory", "", nil, &a); err == nil {
				memory = append(memory, a)
			}
		}
	}
	all.Wait()
	return memory
}

func (a actor) between(r *rand.Rand) time.Duration {
	return a.least + time.Duration(r.Int64N(int64(a.too-a.least)+1))
}
