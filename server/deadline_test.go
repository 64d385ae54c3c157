package server

import (
	"context"
	"testing"
	"time"

	"eigenserve/runtime"
)

func TestDeadlineOfTheCallerReachesTheEngine(t *testing.T) {
	f := newFake()
	var left time.Duration
	var has bool
	f.classify = func(ctx context.Context, _ string, _ []byte, _ runtime.ClassifyOptions) (runtime.Answer, error) {
		var at time.Time
		at, has = ctx.Deadline()
		left = time.Until(at)
		return runtime.Answer{}, nil
	}
	s := start(t, f, Options{})
	if got := s.do(t, "POST", "/v1/models/music-1/classify", "image"); got.status != 200 || has {
		t.Errorf("without the header: %d, a deadline: %t", got.status, has)
	}
	if got := s.do(t, "POST", "/v1/models/music-1/classify", "image", "Eigenserve-Deadline-Ms", "60000"); got.status != 200 || !has || left > time.Minute {
		t.Errorf("with it: %d, a deadline: %t, in %v", got.status, has, left)
	}
	for _, bad := range []string{"0", "-1", "soon", "1.5", "1e3", "86400001"} {
		if got := s.do(t, "POST", "/v1/models/music-1/classify", "image", "Eigenserve-Deadline-Ms", bad); got.status != 400 {
			t.Errorf("%q: %d %s", bad, got.status, got.body)
		}
	}
}
