package runtime

import (
	"math"
	"time"
)

// recency is the span over which what is recent is taken: a call counts by
// e^(−age/recency).
const recency = 10 * time.Second

// recent is what a version was asked lately.
type recent struct {
	calls float64 // each by its age at the time at
	took  float64 // their mean in seconds, each counted so
	at    time.Time
}

// weight is what the calls count for at a later time.
func (r recent) weight(now time.Time) float64 {
	return r.calls * math.Exp(-float64(max(0, now.Sub(r.at)))/float64(recency))
}

// add counts a call that was answered now.
func (r *recent) add(now time.Time, took time.Duration) {
	w := r.weight(now)
	r.took = (r.took*w + took.Seconds()) / (w + 1)
	r.calls, r.at = w+1, now
}

// rate is the calls a second.
func (r recent) rate(now time.Time) float64 { return r.weight(now) / recency.Seconds() }
