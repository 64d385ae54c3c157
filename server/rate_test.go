package server

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

// TestTokenHasARate asks more often than a token may: the engine does not hear of
// it, the connection stays, other tokens and other routes are as they were.
func TestTokenHasARate(t *testing.T) {
	f := newFake()
	heard := 0
	f.classify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		heard++
		return runtime.Answer{}, nil
	}
	s := start(t, f, Options{Tokens: openTokens(t, `slow read,infer "*" 0.001`, "free infer")})
	const path = "/v1/models/music-1/classify"
	ask := func(name string, want int) reply {
		t.Helper()
		got := s.do(t, "POST", path, "image", bearer(name)...)
		if got.status != want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, want)
		}
		return got
	}
	ask("slow", 200)
	if got := ask("slow", 429); got.header.Get("Retry-After") != "1000" || got.header.Get("Connection") == "close" {
		t.Errorf("%v", got.header)
	}
	ask("free", 200)
	if got := s.do(t, "GET", "/v1/models", "", bearer("slow")...); got.status != 200 {
		t.Errorf("to look at models: %d", got.status)
	}
	if heard != 2 {
		t.Errorf("the engine heard of %d", heard)
	}
}

func TestTokenHasARateOverGRPC(t *testing.T) {
	c := protocol(t, newFake(), Options{Tokens: openTokens(t, `slow infer "*" 0.001`)})
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+secret("slow"))
	for i, want := range []bool{false, true, true} {
		_, err := c.ModelInfer(ctx, &inference.ModelInferRequest{ModelName: "music-1"})
		if refused := grpcstatus.Code(err) == codes.ResourceExhausted; refused != want {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
