package load

import "github.com/HdrHistogram/hdrhistogram-go"

// maxLatency is the largest latency that a histogram records, in microseconds.
const maxLatency = 600_000_000

// NewHistogram returns an empty histogram of latencies in microseconds, to three
// digits (Gil Tene's HDR histogram).
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxLatency, 3) }

// Latencies are percentiles in milliseconds.
type Latencies struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Summarize returns the percentiles of a histogram.
func Summarize(h *hdrhistogram.Histogram) Latencies {
	at := func(q float64) float64 { return float64(h.ValueAtPercentile(q)) / 1000 }
	return Latencies{Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}
