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

// watchEvery is how often a server looks whether another process changed its
// store: a look reads twenty bytes.
const watchEvery = time.Second

// watchStore serves what other processes change in the store, until stopped. On
// SIGHUP all pointers are read again, for a store that was changed by hand.
func watchStore(eng *runtime.Engine, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		eng.Watch(ctx, watchEvery, hangups, func(r runtime.Reloaded, err error) {
			if err != nil {
				log.Error("the store changed; not all of it can be served", "error", err)
			}
			log.Info("the store changed", "added", r.Added, "replaced", r.Replaced, "removed", r.Removed, "retired_bases", r.Retired)
		})
	})
	return func() { signal.Stop(hangups); cancel(); watching.Wait() }
}
