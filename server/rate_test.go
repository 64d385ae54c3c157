package server_test

import (
	"context"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// Requests beyond a token's rate do not reach the engine. The connection is kept, and other
// tokens and routes are not affected.
func TestTokenRateLimit(t *testing.T) {
	f := servertest.NewEngine()
	reached := 0
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		reached++
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
		t.Errorf("list the models: %d", got.Status)
	}
	if reached != 2 {
		t.Errorf("%d reached the engine", reached)
	}
}
