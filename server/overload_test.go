package server_test

import (
	"context"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// TestCrowdIsRefusedByItsHead has a crowd stand: who asks is refused before the
// engine hears of it, and keeps the connection; afterwards none counts any more.
func TestCrowdIsRefusedByItsHead(t *testing.T) {
	f := servertest.NewEngine()
	heard := 0
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		heard++
		return runtime.Answer{}, nil
	}
	s := start(t, f, server.Options{})
	paths := []string{"/v1/models/music-1/classify", "/v2/models/music-1/infer"}
	s.LimitInflight(0)
	for _, path := range paths {
		got := s.Do(t, "POST", path, "image")
		if got.Status != 429 || got.Header.Get("Retry-After") == "" || got.Header.Get("Connection") == "close" {
			t.Errorf("%s: %d %v", path, got.Status, got.Header)
		}
	}
	if heard != 0 {
		t.Errorf("the engine heard of %d", heard)
	}
	s.LimitInflight(1)
	for range 3 {
		if got := s.Do(t, "POST", paths[0], "image"); got.Status != 200 {
			t.Fatalf("without a crowd: %d %s", got.Status, got.Body)
		}
	}
	if n := s.Inflight(); n != 0 || heard != 3 {
		t.Errorf("%d are left of three that were answered", n)
	}
}
