package server_test

import (
	"context"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// TestTokenHasARate asks more often than a token may: the engine does not hear of
// it, the connection stays, other tokens and other routes are as they were.
func TestTokenHasARate(t *testing.T) {
	f := servertest.NewEngine()
	heard := 0
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		heard++
		return runtime.Answer{}, nil
	}
	s := start(t, f, server.Options{Tokens: servertest.Tokens(t, `slow read,infer "*" 0.001`, "free infer")})
	const path = "/v1/models/music-1/classify"
	ask := func(name string, want int) servertest.Response {
		t.Helper()
		got := s.Do(t, "POST", path, "image", servertest.Bearer(name)...)
		if got.Status != want {
			t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, want)
		}
		return got
	}
	ask("slow", 200)
	if got := ask("slow", 429); got.Header.Get("Retry-After") != "1000" || got.Header.Get("Connection") == "close" {
		t.Errorf("%v", got.Header)
	}
	ask("free", 200)
	if got := s.Do(t, "GET", "/v1/models", "", servertest.Bearer("slow")...); got.Status != 200 {
		t.Errorf("to look at models: %d", got.Status)
	}
	if heard != 2 {
		t.Errorf("the engine heard of %d", heard)
	}
}
