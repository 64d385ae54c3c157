package server

import (
	"context"
	"testing"
	"time"

	"eigenserve/runtime"
)

func TestCrowd(t *testing.T) {
	clock := time.Unix(1000, 0)
	c := crowd{limit: 4, now: func() time.Time { return clock }}
	for i := range 10 {
		if c.full() || !c.enter() {
			t.Fatalf("number %d of a burst was refused", i)
		}
	}
	clock = clock.Add(crowdBurst + time.Millisecond)
	if !c.full() || c.enter() {
		t.Error("a crowd that stands was let grow")
	}
	for range 7 {
		c.leave()
	}
	if c.full() || !c.enter() {
		t.Error("one below the limit was refused")
	}
	if c.enter() {
		t.Error("the limit was passed right after")
	}
	clock = clock.Add(crowdQuiet + time.Millisecond)
	if !c.enter() {
		t.Error("after a quiet time a burst was refused")
	}
	if c.inside != 5 {
		t.Errorf("%d are counted, want 5", c.inside)
	}
}

// TestCrowdIsRefusedByItsHead has a crowd stand: who asks is refused before the
// engine hears of it, and keeps the connection; afterwards none counts any more.
func TestCrowdIsRefusedByItsHead(t *testing.T) {
	f := newFake()
	heard := 0
	f.classify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		heard++
		return runtime.Answer{}, nil
	}
	s := start(t, f, Options{})
	paths := []string{"/v1/models/music-1/classify", "/v2/models/music-1/infer"}
	c := &s.Server.crowd
	clock := time.Now()
	c.mu.Lock()
	c.now = func() time.Time { return clock }
	c.limit, c.over, c.since = 0, clock, clock.Add(-time.Second)
	c.mu.Unlock()
	for _, path := range paths {
		got := s.do(t, "POST", path, "image")
		if got.status != 429 || got.header.Get("Retry-After") == "" || got.header.Get("Connection") == "close" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	if heard != 0 {
		t.Errorf("the engine heard of %d", heard)
	}
	c.mu.Lock()
	c.limit = 1
	c.mu.Unlock()
	for range 3 {
		if got := s.do(t, "POST", paths[0], "image"); got.status != 200 {
			t.Fatalf("without a crowd: %d %s", got.status, got.body)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside != 0 || heard != 3 {
		t.Errorf("%d are left of three that were answered", c.inside)
	}
}
