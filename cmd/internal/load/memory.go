package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"eigenserve/cmd/internal/cli"
)

// MemorySamples are what the server's account said while it was under load.
type MemorySamples struct {
	Samples int   `json:"samples"`
	Max     int64 `json:"max_rss_bytes"`
	Limit   int64 `json:"limit_bytes,omitempty"`
	Over    int   `json:"over_limit"`
	Slabs   int64 `json:"max_slabs_bytes"`
	Dense   int64 `json:"dense_bytes"`
}

// sampleMemory asks for the account every second until stop is called, which
// gives what it saw.
func (t *target) sampleMemory(ctx context.Context, limit int64) (stop func() MemorySamples) {
	var m MemorySamples
	var ended atomic.Bool
	m.Limit = limit
	done := make(chan struct{})
	look := func() {
		l, err := t.client.Memory(ctx)
		if err != nil {
			return
		}
		m.Samples++
		m.Max, m.Slabs, m.Dense = max(m.Max, l.RSS), max(m.Slabs, l.Slabs), l.Dense
		if limit > 0 && l.RSS > limit {
			m.Over++
		}
	}
	go func() {
		defer close(done)
		for !ended.Load() {
			look()
			SleepUntil(ctx, time.Now().Add(time.Second))
			if ctx.Err() != nil {
				return
			}
		}
	}()
	return func() MemorySamples {
		ended.Store(true)
		<-done
		return m
	}
}

// String is how a stage's memory is printed.
func (m MemorySamples) String() string {
	if m.Samples == 0 {
		return "not told"
	}
	text := cli.Size(m.Max)
	if m.Limit > 0 {
		text += fmt.Sprintf(", over %s in %d of %d samples", cli.Size(m.Limit), m.Over, m.Samples)
	}
	return text
}
