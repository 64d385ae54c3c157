package server

import (
	"io"
	goruntime "runtime"
	"sync"
	"time"

	"eigenserve/runtime"
)

// crowd bounds how many inferences are under way, from when their body is there
// to their answer. What the engine admits it knows in time, but not what reading
// JSON, HTTP itself and waiting for a processor take: with a small model these are
// most of it. So many at once are refused by their head alone, which is cheap.
//
// As in the engine, a burst is no overload: the limit holds once it has been passed
// for some time. A body that comes slowly takes no place.
type inflight struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex // guards what follows
	count int
	// When one was last over the limit, and when those that were began.
	over, since time.Time
}

const (
	inflightBurst = 100 * time.Millisecond // how long the limit may be passed
	inflightQuiet = 250 * time.Millisecond // how long it must not be, before it may again
	// drainLimit is how much of a refused request's body is read and dropped, as
	// that costs less than another connection.
	drainLimit = 64 << 10
)

// newInflight makes one for the processors there are: each may be wanted by as many as
// fill a batch. More would only wait; with small models, twice as many made answers
// under five times the capacity take twice as long, and fewer of them.
func newInflight() inflight { return inflight{limit: 8 * goruntime.GOMAXPROCS(0), now: time.Now} }

// full tells whether one more would be too many.
func (c *inflight) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exceeded()
}

// enter counts one more, unless that would be too many.
func (c *inflight) acquire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exceeded() {
		return false
	}
	c.count++
	return true
}

func (c *inflight) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
}

// crowded tells whether one more would be too many. The caller holds mu.
func (c *inflight) exceeded() bool {
	if c.count < c.limit {
		return false
	}
	now := c.now()
	if now.Sub(c.over) > inflightQuiet {
		c.since = now
	}
	c.over = now
	return now.Sub(c.since) > inflightBurst
}

// errOverloaded refuses one who should try again soon.
func errOverloaded() error {
	err := runtime.Errorf(runtime.Overloaded, "too many requests are under way; try again")
	err.RetryAfter = time.Second
	return err
}

// admitInference refuses an inference in a crowd, before its body is read.
func (s *Server) admitInference(r *request) error {
	if !s.inflight.full() {
		return nil
	}
	r.body.dropShort()
	return errOverloaded()
}

// dropShort reads the body of a refused request if that keeps the connection for
// little.
func (b *body) dropShort() {
	if b.length >= 0 && b.length <= drainLimit {
		_, _ = io.Copy(io.Discard, b)
	}
}

// readInference reads the body of an inference, which then is one of the crowd
// until it is answered.
func (s *Server) readInference(r *request) ([]byte, error) {
	body, err := r.body.all()
	if err != nil {
		return nil, err
	}
	if !s.inflight.acquire() {
		return nil, errOverloaded()
	}
	r.finish = append(r.finish, s.inflight.release)
	return body, nil
}
