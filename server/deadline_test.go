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
	f.infer = func(ctx context.Context) error {
		_, err := f.classify(ctx, "", nil, runtime.ClassifyOptions{})
		return err
	}
	s := start(t, f, Options{})
	for _, path := range []string{"/v1/models/music-1/classify", "/v2/models/music-1/infer"} {
		question := func(headers ...string) reply {
			if path == "/v2/models/music-1/infer" {
				headers = append(headers, "Inference-Header-Content-Length", "0")
			}
			return s.do(t, "POST", path, "image", headers...)
		}
		has, left = false, 0
		if got := question(); got.status != 200 || has {
			t.Errorf("%s without the header: %d, a deadline: %t", path, got.status, has)
		}
		if got := question("Eigenserve-Deadline-Ms", "60000"); got.status != 200 || !has || left > time.Minute {
			t.Errorf("with it: %d, a deadline: %t, in %v", got.status, has, left)
		}
		for _, bad := range []string{"0", "-1", "soon", "1.5", "1e3", "86400001"} {
			if got := question("Eigenserve-Deadline-Ms", bad); got.status != 400 {
				t.Errorf("%q: %d %s", bad, got.status, got.body)
			}
		}
	}
}
