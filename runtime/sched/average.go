package sched

import (
	"sync/atomic"
	"time"
)

// Average is a moving average of durations: each new one counts an eighth. The zero value
// has observed none. Goroutines may use it at once; of two observations at the same moment
// one may be lost.
type Average struct{ nanoseconds atomic.Int64 }

// Observe includes d in the average.
func (a *Average) Observe(d time.Duration) {
	old := a.nanoseconds.Load()
	if old == 0 {
		a.nanoseconds.Store(int64(d))
		return
	}
	a.nanoseconds.Store(old + (int64(d)-old)/8)
}

// Mean returns the average, 0 if nothing has been observed.
func (a *Average) Mean() time.Duration { return time.Duration(a.nanoseconds.Load()) }
