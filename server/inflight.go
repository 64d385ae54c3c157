package server

import (
	goruntime "runtime"
	"sync"
	"time"

	"eigenserve/runtime"
)

// inflight limits how many inferences are under way, from the arrival of their body to
// their answer. The engine limits the time of what it computes, but not that of reading
// JSON, of HTTP itself and of waiting for a processor, which is most of it with a small
// model. Over the limit, requests are refused by their head alone, which is cheap.
//
// As in the engine, a burst is not yet an overload: the limit applies once it has been
// exceeded for some time. A body that arrives slowly is not counted until it is complete.
type inflight struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex // guards the rest
	count int
	// When the limit was last exceeded, and when it began to be.
	over, since time.Time
}

const (
	burstTime = 100 * time.Millisecond // how long the limit may be exceeded
	quietTime = 250 * time.Millisecond // how long it must not be, before it may again
)

// newInflight returns a limit for the processors there are, of as many inferences for each
// as fill a batch. More would only wait: with small models, twice as many made answers
// under five times the capacity take twice as long, and fewer of them.
func newInflight() *inflight { return &inflight{limit: 8 * goruntime.GOMAXPROCS(0), now: time.Now} }

// isFull reports whether one more inference would be too many.
func (f *inflight) isFull() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.exceeded()
}

// acquire counts one more inference and reports whether there was room for it.
func (f *inflight) acquire() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.exceeded() {
		return false
	}
	f.count++
	return true
}

// release stops counting one inference.
func (f *inflight) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count--
}

// exceeded records whether one more inference would exceed the limit, and reports whether
// it would be refused. It is called with mu held.
func (f *inflight) exceeded() bool {
	if f.count < f.limit {
		return false
	}
	now := f.now()
	if now.Sub(f.over) > quietTime {
		f.since = now
	}
	f.over = now
	return now.Sub(f.since) > burstTime
}

// errTooManyInflight returns the error for an inference over the limit.
func errTooManyInflight() error {
	err := runtime.Errorf(runtime.Overloaded, "too many requests are under way; try again")
	err.RetryAfter = time.Second
	return err
}

// checkInflight refuses an inference over the limit, before its body is read.
func (s *Server) checkInflight(r *request) error {
	if !s.inflight.isFull() {
		return nil
	}
	r.body.discardShort()
	return errTooManyInflight()
}

// readInference reads the body of an inference, which is under way from then on until the
// request is closed.
func (s *Server) readInference(r *request) ([]byte, error) {
	body, err := r.body.all()
	if err != nil {
		return nil, err
	}
	if !s.inflight.acquire() {
		return nil, errTooManyInflight()
	}
	r.cleanup = append(r.cleanup, s.inflight.release)
	return body, nil
}
