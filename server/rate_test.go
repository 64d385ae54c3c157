package server

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

// TestAllowance spends by a clock of its own.
func TestAllowance(t *testing.T) {
	clock := time.Unix(1000, 0)
	for _, c := range []struct {
		rate   float64
		atOnce int           // after a rest
		wait   time.Duration // after that
		later  int           // in the ten seconds of asking all the time after that
	}{
		{rate: 4, atOnce: 4, wait: 250 * time.Millisecond, later: 40},
		{rate: 1, atOnce: 1, wait: time.Second, later: 10},
		{rate: 0.5, atOnce: 1, wait: 2 * time.Second, later: 5},
	} {
		a := &allowance{rate: c.rate}
		var err error
		n := 0
		for ; err == nil && n < 100; n++ {
			err = a.spend(clock)
		}
		if n-1 != c.atOnce {
			t.Errorf("%g a second: %d at once, want %d", c.rate, n-1, c.atOnce)
		}
		if got := err.(*runtime.Error); got.Code != runtime.Overloaded || got.RetryAfter != c.wait {
			t.Errorf("%g a second: %v, again after %v, want %v", c.rate, err, got.RetryAfter, c.wait)
		}
		later := 0
		for ms := 1; ms <= 10_000; ms++ {
			if a.spend(clock.Add(time.Duration(ms)*time.Millisecond)) == nil {
				later++
			}
		}
		if later != c.later {
			t.Errorf("%g a second: %d in ten seconds, want %d", c.rate, later, c.later)
		}
	}
	var none *allowance
	if err := none.spend(clock); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

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
