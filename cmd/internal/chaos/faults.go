package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"eigenserve/cmd/internal/process"
	"eigenserve/store"
)

// killServer kills the server in the middle of what it does, starts it again, and looks
// that every acknowledged write is there and nothing besides.
func (c *run) killServer(ctx context.Context, _ *rand.Rand) {
	w := c.env
	w.server.kill()
	w.server.quiesce.Lock() // once the changes under way have noticed
	defer w.server.quiesce.Unlock()
	c.report.count("kill -9", 0)
	if err := w.server.restart(ctx); err != nil {
		c.report.internalError(err)
		return
	}
	c.reconcileAll(ctx, true)
}

// reconcileAll holds everything that the server has against the claims. The caller
// has seen to it that no client changes anything.
func (c *run) reconcileAll(ctx context.Context, restarted bool) {
	deaths := c.env.server.epoch.Load()
	for _, name := range c.models() {
		cl := c.env.history.registers[name]
		if !cl.writing.TryLock() { // a refit is at it
			c.checkDuringRefit(ctx, name)
			continue
		}
		digest, version, err := c.lookUp(ctx, name)
		if err != nil {
			c.report.violation("%s after a start: %v", name, err)
		} else {
			c.report.violationIf(c.env.history.reconcile(name, digest, version, restarted))
			c.judgePending(name)
		}
		cl.writing.Unlock()
	}
	for _, name := range c.env.names.aliases {
		cl := c.env.history.registers[name]
		cl.writing.Lock()
		c.reconcileAlias(ctx, name, deaths, restarted)
		cl.writing.Unlock()
	}
	list, err := c.env.server.current.Load().Variants(ctx)
	if err != nil {
		c.report.violation("the list after a start: %v", err)
	}
	for _, v := range list {
		if c.env.history.registers[v.Name] == nil {
			c.report.violation("%s is listed, which nobody has added", v.Name)
		}
	}
}

// checkDuringRefit looks at a model that a refit may be moving.
func (c *run) checkDuringRefit(ctx context.Context, name string) {
	a := read{ref: name, began: c.env.history.tick()}
	digest, _, err := c.lookUp(ctx, name)
	a.digest, a.ended = digest, c.env.history.tick()
	switch {
	case err != nil:
		c.report.violation("%s after a start: %v", name, err)
	case digest == "" || c.env.history.judge(name, a) == invalid:
		c.report.violation("%s stands for %.12q after a start", name, digest)
	}
}

// refitFamily learns a new basis from most of the originals, as a process of its own
// that is now and then killed, and moves the fitted models to it.
func (c *run) refitFamily(ctx context.Context, r *rand.Rand) {
	fitted := c.env.names.fitted
	changes := make([]*write, len(fitted))
	for i, name := range fitted {
		cl := c.env.history.registers[name]
		cl.writing.Lock()
		defer cl.writing.Unlock()
		changes[i] = c.env.history.beginUnknown(name)
	}
	originals := append([]string(nil), c.env.originals[:fittedModels]...)
	left := r.IntN(fittedModels)
	originals = append(originals[:left], originals[left+1:]...)
	limited, what := ctx, "refits"
	if r.IntN(4) == 0 { // killed: exec's own way to end a process whose context is done
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(int(c.refitTook.Load())+1)))
		defer cancel()
		what = "refits killed"
	}
	began := time.Now()
	_, err := process.Run(limited, append(append(c.env.learnArgs("refit"), fmt.Sprintf("--rank=%d", 8+r.IntN(24))), originals...)...)
	if err != nil && limited.Err() == nil {
		c.report.violation("refit: %v", err)
	}
	if limited.Err() == nil {
		c.refitTook.Store(int64(time.Since(began)))
	}
	c.report.count(what, 0)
	c.awaitRefit(ctx, fitted)
}

// awaitRefit waits until the server has what a refit left in the store, and tells the
// claims.
func (c *run) awaitRefit(ctx context.Context, names []string) {
	s, err := store.Open(c.env.storeDir())
	if err != nil {
		c.report.internalError(err)
		return
	}
	for _, name := range names {
		e, err := s.Entry(name)
		if err == nil {
			err = c.env.addStored(e.Digest)
		}
		if err != nil {
			c.report.violation("%s after a refit: %v", name, err)
			continue
		}
		if !c.serverSees(ctx, name, e.Digest) {
			c.report.violation("%s: the server does not follow a refit to %.12s", name, e.Digest)
		}
		c.report.violationIf(c.env.history.reconcile(name, e.Digest, e.Version, false))
		c.judgePending(name)
	}
}

// serverSees tells whether the server comes to see a model's new digest.
func (c *run) serverSees(ctx context.Context, name, digest string) bool {
	for range 600 {
		if has, _, err := c.lookUp(ctx, name); err == nil && has == digest || ctx.Err() != nil {
			return true
		}
		pause(ctx, 50*time.Millisecond)
	}
	return false
}

// collectGarbage removes what nothing refers to, with no grace.
func (c *run) collectGarbage(ctx context.Context, r *rand.Rand) {
	args := []string{"gc", "--store", c.env.storeDir(), "--grace", "0s"}
	if r.IntN(2) == 0 {
		args = append(args, "--versions", "1")
	}
	if _, err := process.Run(ctx, args...); err != nil && ctx.Err() == nil {
		c.report.violation("%v", err)
	}
	c.report.count("collections", 0)
}

// fillDisk lets the server write no file beyond so many bytes for a while: to it
// the disk is full, sometimes in the middle of a file.
func (c *run) fillDisk(ctx context.Context, r *rand.Rand) {
	most := uint64(0)
	if r.IntN(3) > 0 {
		most = uint64(r.IntN(24 << 10))
	}
	deaths, l := c.env.server.epoch.Load(), c.env.server.current.Load()
	c.diskFull.Add(1)
	if err := process.LimitFileSize(l.process.PID(), most); err != nil {
		if !c.env.server.killedSince(deaths) {
			c.report.unable("full disk", err)
		}
	} else {
		c.report.count("full disk", 0)
		pause(ctx, time.Duration(200+r.IntN(800))*time.Millisecond)
		_ = process.LimitFileSize(l.process.PID(), process.NoLimit) // or it was killed
	}
	pause(ctx, time.Second) // for what was under way
	c.diskFull.Add(-1)
}

func (c *run) diskMayBeFull() bool { return c.diskFull.Load() > 0 }

// checkStore looks at the store when all is over: every file is whole, and nothing is
// left over once it was collected.
func (c *run) checkStore(ctx context.Context) error {
	c.collectGarbage(ctx, rand.New(rand.NewPCG(0, 0)))
	s, err := store.Open(c.env.storeDir())
	if err != nil {
		return err
	}
	for _, e := range s.Variants() {
		if _, err := s.ReadVariant(e.Digest); err != nil {
			c.report.violation("%s in the store: %v", e.Name, err)
		}
	}
	files, err := os.ReadDir(c.env.storeDir() + "/blobs")
	if err != nil {
		return err
	}
	used := s.Referenced()
	for _, f := range files {
		if digest, ok := strings.CutSuffix(f.Name(), ".safetensors"); !ok || !used[digest] {
			c.report.violation("%s is left in the store", f.Name())
		}
	}
	return nil
}

// scanLog looks for what a server may not say.
func (c *run) scanLog() {
	for _, line := range strings.Split(string(c.env.server.log), "\n") {
		for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
			if strings.Contains(line, bad) {
				c.report.violation("the server's log: %.200s", line)
			}
		}
	}
}
