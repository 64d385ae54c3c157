package server_test

import (
	"context"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// Inferences over the limit are refused before they reach the engine, and keep their
// connections. Afterwards none is counted.
func TestTooManyInflight(t *testing.T) {
	f := servertest.NewEngine()
	reached := 0
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		reached++
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
	if reached != 0 {
		t.Errorf("%d reached the engine", reached)
	}
	s.LimitInflight(1)
	for range 3 {
		if got := s.Do(t, "POST", paths[0], "image"); got.Status != 200 {
			t.Fatalf("below the limit: %d %s", got.Status, got.Body)
		}
	}
	if n := s.Inflight(); n != 0 || reached != 3 {
		t.Errorf("%d are still counted after three were answered", n)
	}
}
