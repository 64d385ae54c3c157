package serving

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"eigenserve/runtime"
)

// watchInterval is how often a server checks whether another process has changed its
// store, which takes reading twenty bytes.
const watchInterval = time.Second

// watchStore makes the engine follow what other processes change in the store, until
// stop is called. On SIGHUP it reads all pointers again, in case the store was
// changed by hand.
func watchStore(eng *runtime.Engine, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		eng.Watch(ctx, watchInterval, hangups, func(r runtime.Reloaded, err error) {
			if err != nil {
				log.Error("the store changed, but some of it cannot be served", "error", err)
			}
			log.Info("the store changed", "added", r.Added, "replaced", r.Replaced, "removed", r.Removed, "retired_bases", r.Retired)
		})
	})
	return func() { signal.Stop(hangups); cancel(); watching.Wait() }
}
