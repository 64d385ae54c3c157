package auth

import (
	"sync"
	"time"

	"eigenserve/runtime"
)

// rateLimiter limits how many inferences a token may request per second, on average; up
// to one second's worth may be saved up. It is the generic cell rate algorithm: all that
// it keeps is when the next inference is due at that rate. A nil *rateLimiter has no
// limit.
type rateLimiter struct {
	rate float64 // per second

	mu  sync.Mutex // guards due
	due time.Time
}

// take takes one inference from the limit, or returns an error that says when to try
// again.
func (l *rateLimiter) take(now time.Time) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	interval := time.Duration(float64(time.Second) / l.rate)
	saved := max(0, time.Second-interval)
	if l.due.Before(now) {
		l.due = now
	}
	if wait := l.due.Sub(now) - saved; wait > 0 {
		err := runtime.Errorf(runtime.Overloaded, "this token may be used for %g inferences per second", l.rate)
		err.RetryAfter = wait
		return err
	}
	l.due = l.due.Add(interval)
	return nil
}
