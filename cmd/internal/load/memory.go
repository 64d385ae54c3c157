package load

import (
	"context"
	"fmt"
	"time"

	"eigenserve/cmd/internal/cli"
)

// MemorySamples sums up a server's account of its memory, asked for every second of a
// stage.
type MemorySamples struct {
	Samples int   `json:"samples"`
	Max     int64 `json:"max_rss_bytes"`
	Limit   int64 `json:"limit_bytes,omitempty"`
	Over    int   `json:"over_limit"` // samples over the limit
	Slabs   int64 `json:"max_slabs_bytes"`
	Dense   int64 `json:"dense_bytes"`
}

// sampleMemory starts to sample until stop is called, which returns the samples.
func (t *target) sampleMemory(ctx context.Context, limit int64) (stop func() MemorySamples) {
	m := MemorySamples{Limit: limit}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(time.Second)
		defer ticks.Stop()
		for {
			m.add(ctx, t)
			select {
			case <-ticks.C:
			case <-stopped:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() MemorySamples {
		close(stopped)
		<-ended
		return m
	}
}

// add takes one sample. A sample that fails is left out.
func (m *MemorySamples) add(ctx context.Context, t *target) {
	l, err := t.client.Memory(ctx)
	if err != nil {
		return
	}
	m.Samples++
	m.Max, m.Slabs, m.Dense = max(m.Max, l.RSS), max(m.Slabs, l.Slabs), l.Dense
	if m.Limit > 0 && l.RSS > m.Limit {
		m.Over++
	}
}

// String returns the largest resident set and how often it was over the limit.
func (m MemorySamples) String() string {
	if m.Samples == 0 {
		return "unknown"
	}
	text := cli.Size(m.Max)
	if m.Limit > 0 {
		text += fmt.Sprintf(", over %s in %d of %d samples", cli.Size(m.Limit), m.Over, m.Samples)
	}
	return text
}
