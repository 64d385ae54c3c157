package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"eigenserve/cmd/internal/process"
	"eigenserve/store"
)

// killServer kills the server, restarts it, and checks that it has every acknowledged
// write and nothing else.
func (c *run) killServer(ctx context.Context, _ *rand.Rand) {
	server := &c.env.server
	server.kill()
	server.quiesce.Lock() // when the writes in progress have failed
	defer server.quiesce.Unlock()
	c.report.count("kill -9", 0)
	if err := server.restart(ctx); err != nil {
		c.report.internalError(err)
		return
	}
	c.reconcileAll(ctx, true)
}

// reconcileAll checks everything that the server has against the history. It is called
// while no client writes; only a refit may be in progress.
func (c *run) reconcileAll(ctx context.Context, restarted bool) {
	epoch := c.env.server.epoch.Load()
	for _, name := range c.models() {
		reg := c.env.history.registers[name]
		if !reg.writing.TryLock() {
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
		reg.writing.Unlock()
	}
	for _, name := range c.env.names.aliases {
		reg := c.env.history.registers[name]
		reg.writing.Lock()
		c.reconcileAlias(ctx, name, epoch, restarted)
		reg.writing.Unlock()
	}
	list, err := c.env.server.current.Load().Variants(ctx)
	if err != nil {
		c.report.violation("the list after a start: %v", err)
	}
	for _, v := range list {
		if c.env.history.registers[v.Name] == nil {
			c.report.violation("%s is listed, but nobody added it", v.Name)
		}
	}
}

// checkDuringRefit checks a model that a refit may be moving.
func (c *run) checkDuringRefit(ctx context.Context, name string) {
	a := read{ref: name, began: c.env.history.tick()}
	digest, _, err := c.lookUp(ctx, name)
	a.digest, a.ended = digest, c.env.history.tick()
	switch {
	case err != nil:
		c.report.violation("%s after a start: %v", name, err)
	case digest == "" || c.env.history.judge(name, a) == invalid:
		c.report.violation("%s has digest %.12q after a start", name, digest)
	}
}

// refitFamily runs refit on all originals but one, which moves the fitted models to a
// new basis. Every fourth refit or so is killed.
func (c *run) refitFamily(ctx context.Context, r *rand.Rand) {
	fitted := c.env.names.fitted
	for _, name := range fitted {
		reg := c.env.history.registers[name]
		reg.writing.Lock()
		defer reg.writing.Unlock()
		c.env.history.beginUnknown(name)
	}
	originals := slices.Clone(c.env.originals[:fittedModels])
	leftOut := r.IntN(fittedModels)
	originals = slices.Delete(originals, leftOut, leftOut+1)
	limited, what := ctx, "refits"
	if r.IntN(4) == 0 { // exec kills a process whose context is done
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(int(c.refitTook.Load())+1)))
		defer cancel()
		what = "refits killed"
	}
	start := time.Now()
	_, err := process.Run(limited, append(append(c.env.learnArgs("refit"), fmt.Sprintf("--rank=%d", 8+r.IntN(24))), originals...)...)
	if limited.Err() == nil {
		c.refitTook.Store(int64(time.Since(start)))
		if err != nil {
			c.report.violation("refit: %v", err)
		}
	}
	c.report.count(what, 0)
	c.awaitRefit(ctx, fitted)
}

// awaitRefit waits until the server has what a refit left in the store, and records it.
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

// serverSees waits for the server to serve a model's new digest, and reports whether it
// does.
func (c *run) serverSees(ctx context.Context, name, digest string) bool {
	for range 600 {
		if current, _, err := c.lookUp(ctx, name); err == nil && current == digest || ctx.Err() != nil {
			return true
		}
		pause(ctx, 50*time.Millisecond)
	}
	return false
}

// collectGarbage runs gc without a grace period.
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

// fillDisk limits the size of the server's files for a while: for the server the disk is
// full, sometimes in the middle of a file.
func (c *run) fillDisk(ctx context.Context, r *rand.Rand) {
	size := uint64(0)
	if r.IntN(3) > 0 {
		size = uint64(r.IntN(24 << 10))
	}
	epoch, server := c.env.server.epoch.Load(), c.env.server.current.Load()
	c.diskFull.Add(1)
	defer c.diskFull.Add(-1)
	if err := process.LimitFileSize(server.process.PID(), size); err != nil {
		if !c.env.server.killedSince(epoch) {
			c.report.unable("full disk", err)
		}
	} else {
		c.report.count("full disk", 0)
		pause(ctx, time.Duration(200+r.IntN(800))*time.Millisecond)
		_ = process.LimitFileSize(server.process.PID(), process.NoLimit) // fails if it was killed
	}
	pause(ctx, time.Second) // until the writes in progress have ended
}

// diskMayBeFull reports whether the server's disk is full or was just now.
func (c *run) diskMayBeFull() bool { return c.diskFull.Load() > 0 }

// checkStore checks the store after the run: all files are whole, and after a
// collection none is left that nothing refers to.
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
	files, err := os.ReadDir(filepath.Join(c.env.storeDir(), "blobs"))
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

// checkLog looks for crashes in the server's log.
func (c *run) checkLog() {
	for line := range strings.Lines(string(c.env.server.log)) {
		for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
			if strings.Contains(line, bad) {
				c.report.violation("the server's log: %.200s", strings.TrimSpace(line))
			}
		}
	}
}
