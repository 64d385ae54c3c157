package server_test

import (
	"context"
	"testing"
	"time"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

func TestDeadlineOfTheCallerReachesTheEngine(t *testing.T) {
	f := servertest.NewEngine()
	var left time.Duration
	var has bool
	f.OnClassify = func(ctx context.Context, _ string, _ []byte, _ runtime.ClassifyOptions) (runtime.Answer, error) {
		var at time.Time
		at, has = ctx.Deadline()
		left = time.Until(at)
		return runtime.Answer{}, nil
	}
	f.OnInfer = func(ctx context.Context) error {
		_, err := f.OnClassify(ctx, "", nil, runtime.ClassifyOptions{})
		return err
	}
	s := start(t, f, server.Options{})
	for _, path := range []string{"/v1/models/music-1/classify", "/v2/models/music-1/infer"} {
		question := func(headers ...string) servertest.Response {
			if path == "/v2/models/music-1/infer" {
				headers = append(headers, "Inference-Header-Content-Length", "0")
			}
			return s.Do(t, "POST", path, "image", headers...)
		}
		has, left = false, 0
		if got := question(); got.Status != 200 || has {
			t.Errorf("%s without the header: %d, a deadline: %t", path, got.Status, has)
		}
		if got := question("Eigenserve-Deadline-Ms", "60000"); got.Status != 200 || !has || left > time.Minute {
			t.Errorf("with it: %d, a deadline: %t, in %v", got.Status, has, left)
		}
		for _, bad := range []string{"0", "-1", "soon", "1.5", "1e3", "86400001"} {
			if got := question("Eigenserve-Deadline-Ms", bad); got.Status != 400 {
				t.Errorf("%q: %d %s", bad, got.Status, got.Body)
			}
		}
	}
}
