package serving

import (
	"context"
	"log/slog"
	"time"

	"eigenserve/runtime"
)

// preloadTimeout is how long a server loads models before it announces itself. The
// rest of very many are loaded in the background, or by the first request for them.
const preloadTimeout = 5 * time.Second

// preload loads all models, at most preloadTimeout of it before it returns, and logs
// those that cannot be served. stop ends it.
func preload(ctx context.Context, eng *runtime.Engine, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := eng.Preload(ctx); err != nil && ctx.Err() == nil {
			log.Error("some models cannot be served", "error", err)
		}
	}()
	timeout := time.NewTimer(preloadTimeout)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
		log.Info("loading more models in the background")
	}
	return func() { cancel(); <-done }
}
