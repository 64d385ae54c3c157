package auth

import (
	"sync"
	"time"

	"eigenserve/runtime"
)

// allowance bounds how many inferences a token may ask for in a second, over time:
// of what it has not used, one second's worth stays for later. It is counted by
// when the next would be due at that rate (the generic cell rate algorithm), so it
// takes no clock and no queue.
type allowance struct {
	rate float64 // a second

	mu  sync.Mutex // guards due
	due time.Time
}

// spend takes one inference from what is allowed, or says when to come again. nil
// allows all.
func (a *allowance) spend(now time.Time) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	each := time.Duration(float64(time.Second) / a.rate)
	saved := max(0, time.Second-each)
	if a.due.Before(now) {
		a.due = now
	}
	if wait := a.due.Sub(now) - saved; wait > 0 {
		err := runtime.Errorf(runtime.Overloaded, "this token may ask %g times a second", a.rate)
		err.RetryAfter = wait
		return err
	}
	a.due = a.due.Add(each)
	return nil
}
