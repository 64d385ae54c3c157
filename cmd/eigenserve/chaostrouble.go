package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"eigenserve/store"
)

// die kills the server in the middle of what it does, starts it again, and looks
// that every acknowledged write is there and nothing besides.
func (c *chaos) die(ctx context.Context, _ *rand.Rand) {
	w := c.w
	w.server.kill()
	w.server.lock.Lock() // once the changes under way have noticed
	defer w.server.lock.Unlock()
	c.r.count("kill -9", 0)
	if err := w.server.revive(ctx); err != nil {
		c.r.fault(err)
		return
	}
	c.settleAll(ctx, true)
}

// settleAll holds everything that the server has against the claims. The caller
// has seen to it that no client changes anything.
func (c *chaos) settleAll(ctx context.Context, restarted bool) {
	deaths := c.w.server.deaths.Load()
	for _, name := range c.models() {
		cl := c.w.claims.names[name]
		if !cl.changing.TryLock() { // a refit is at it
			c.glance(ctx, name)
			continue
		}
		digest, version, err := c.look(ctx, name)
		if err != nil {
			c.r.wrong("%s after a start: %v", name, err)
		} else {
			c.r.check(c.w.claims.settle(name, digest, version, restarted))
			c.judgeLater(name)
		}
		cl.changing.Unlock()
	}
	for _, name := range c.w.names.aliases {
		cl := c.w.claims.names[name]
		cl.changing.Lock()
		c.observeAlias(ctx, name, deaths, restarted)
		cl.changing.Unlock()
	}
	list, err := c.w.server.life.Load().variants(ctx)
	if err != nil {
		c.r.wrong("the list after a start: %v", err)
	}
	for _, v := range list {
		if c.w.claims.names[v.Name] == nil {
			c.r.wrong("%s is listed, which nobody has added", v.Name)
		}
	}
}

// glance looks at a model that a refit may be moving.
func (c *chaos) glance(ctx context.Context, name string) {
	a := answered{asked: name, began: c.w.claims.tick()}
	digest, _, err := c.look(ctx, name)
	a.digest, a.ended = digest, c.w.claims.tick()
	switch {
	case err != nil:
		c.r.wrong("%s after a start: %v", name, err)
	case digest == "" || c.w.claims.judge(name, a) == wrongAnswer:
		c.r.wrong("%s stands for %.12q after a start", name, digest)
	}
}

// refit learns a new basis from most of the originals, as a process of its own
// that is now and then killed, and moves the fitted models to it.
func (c *chaos) refit(ctx context.Context, r *rand.Rand) {
	fitted := c.w.names.fitted
	changes := make([]*change, len(fitted))
	for i, name := range fitted {
		cl := c.w.claims.names[name]
		cl.changing.Lock()
		defer cl.changing.Unlock()
		changes[i] = c.w.claims.beginOpaque(name)
	}
	originals := append([]string(nil), c.w.originals[:chaosFitted]...)
	left := r.IntN(chaosFitted)
	originals = append(originals[:left], originals[left+1:]...)
	limited, what := ctx, "refits"
	if r.IntN(4) == 0 { // killed: exec's own way to end a process whose context is done
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(int(c.refitTook.Load())+1)))
		defer cancel()
		what = "refits killed"
	}
	began := time.Now()
	_, err := c.w.program(limited, append(append(c.w.learning("refit"), fmt.Sprintf("--rank=%d", 8+r.IntN(24))), originals...)...)
	if err != nil && limited.Err() == nil {
		c.r.wrong("refit: %v", err)
	}
	if limited.Err() == nil {
		c.refitTook.Store(int64(time.Since(began)))
	}
	c.r.count(what, 0)
	c.follow(ctx, fitted)
}

// follow waits until the server has what a refit left in the store, and tells the
// claims.
func (c *chaos) follow(ctx context.Context, names []string) {
	s, err := store.Open(c.w.store())
	if err != nil {
		c.r.fault(err)
		return
	}
	for _, name := range names {
		e, err := s.Entry(name)
		if err == nil {
			err = c.w.expectStored(e.Digest)
		}
		if err != nil {
			c.r.wrong("%s after a refit: %v", name, err)
			continue
		}
		if !c.awaits(ctx, name, e.Digest) {
			c.r.wrong("%s: the server does not follow a refit to %.12s", name, e.Digest)
		}
		c.r.check(c.w.claims.settle(name, e.Digest, e.Version, false))
		c.judgeLater(name)
	}
}

// awaits tells whether the server comes to see a model's new digest.
func (c *chaos) awaits(ctx context.Context, name, digest string) bool {
	for range 600 {
		if has, _, err := c.look(ctx, name); err == nil && has == digest || ctx.Err() != nil {
			return true
		}
		pause(ctx, 50*time.Millisecond)
	}
	return false
}

// collect removes what nothing refers to, with no grace.
func (c *chaos) collect(ctx context.Context, r *rand.Rand) {
	args := []string{"gc", "--store", c.w.store(), "--grace", "0s"}
	if r.IntN(2) == 0 {
		args = append(args, "--versions", "1")
	}
	if _, err := c.w.program(ctx, args...); err != nil && ctx.Err() == nil {
		c.r.wrong("%v", err)
	}
	c.r.count("collections", 0)
}

// fillDisk lets the server write no file beyond so many bytes for a while: to it
// the disk is full, sometimes in the middle of a file.
func (c *chaos) fillDisk(ctx context.Context, r *rand.Rand) {
	most := uint64(0)
	if r.IntN(3) > 0 {
		most = uint64(r.IntN(24 << 10))
	}
	deaths, l := c.w.server.deaths.Load(), c.w.server.life.Load()
	c.full.Add(1)
	if err := limitFiles(l.process.cmd.Process.Pid, most); err != nil {
		if !c.w.server.excused(deaths) {
			c.r.unable("full disk", err)
		}
	} else {
		c.r.count("full disk", 0)
		pause(ctx, time.Duration(200+r.IntN(800))*time.Millisecond)
		_ = limitFiles(l.process.cmd.Process.Pid, noLimit) // or it was killed
	}
	pause(ctx, time.Second) // for what was under way
	c.full.Add(-1)
}

func (c *chaos) diskWasFull() bool { return c.full.Load() > 0 }

// sweep looks at the store when all is over: every file is whole, and nothing is
// left over once it was collected.
func (c *chaos) sweep(ctx context.Context) error {
	c.collect(ctx, rand.New(rand.NewPCG(0, 0)))
	s, err := store.Open(c.w.store())
	if err != nil {
		return err
	}
	for _, e := range s.Variants() {
		if _, err := s.ReadVariant(e.Digest); err != nil {
			c.r.wrong("%s in the store: %v", e.Name, err)
		}
	}
	files, err := os.ReadDir(c.w.store() + "/blobs")
	if err != nil {
		return err
	}
	used := s.Referenced()
	for _, f := range files {
		if digest, ok := strings.CutSuffix(f.Name(), ".safetensors"); !ok || !used[digest] {
			c.r.wrong("%s is left in the store", f.Name())
		}
	}
	return nil
}

// watchLog looks for what a server may not say.
func (c *chaos) watchLog() {
	for _, line := range strings.Split(string(c.w.server.log), "\n") {
		for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
			if strings.Contains(line, bad) {
				c.r.wrong("the server's log: %.200s", line)
			}
		}
	}
}
