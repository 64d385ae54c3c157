package serving

import (
	"context"
	"log/slog"
	"time"

	"eigenserve/runtime"
)

// preloadPatience is how long a server reads models before it listens. Of very
// many, the rest are read behind the requests, and by who asks for them.
const preloadPatience = 5 * time.Second

// preload reads what is served, and tells what can't be. stop ends it.
func preload(ctx context.Context, eng *runtime.Engine, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := eng.Preload(ctx); err != nil && ctx.Err() == nil {
			log.Error("some models can't be served", "error", err)
		}
	}()
	patience := time.NewTimer(preloadPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		log.Info("more models are read while requests are answered")
	}
	return func() { cancel(); <-done }
}
