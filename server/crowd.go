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
type crowd struct {
	limit int
	now   func() time.Time

	mu     sync.Mutex // guards what follows
	inside int
	// When one was last over the limit, and when those that were began.
	over, since time.Time
}

const (
	crowdBurst = 100 * time.Millisecond // how long the limit may be passed
	crowdQuiet = 250 * time.Millisecond // how long it must not be, before it may again
	// drained is how much of a refused request's body is read and dropped, as
	// that costs less than another connection.
	drained = 64 << 10
)

// newCrowd makes one for the processors there are: each may be wanted by as many as
// fill a batch. More would only wait; with small models, twice as many made answers
// under five times the capacity take twice as long, and fewer of them.
func newCrowd() crowd { return crowd{limit: 8 * goruntime.GOMAXPROCS(0), now: time.Now} }

// full tells whether one more would be too many.
func (c *crowd) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.crowded()
}

// enter counts one more, unless that would be too many.
func (c *crowd) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crowded() {
		return false
	}
	c.inside++
	return true
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
}

// crowded tells whether one more would be too many. The caller holds mu.
func (c *crowd) crowded() bool {
	if c.inside < c.limit {
		return false
	}
	now := c.now()
	if now.Sub(c.over) > crowdQuiet {
		c.since = now
	}
	c.over = now
	return now.Sub(c.since) > crowdBurst
}

// errCrowded refuses one who should try again soon.
func errCrowded() error {
	err := runtime.Errorf(runtime.Overloaded, "too many requests are under way; try again")
	err.RetryAfter = time.Second
	return err
}

// notCrowded refuses an inference in a crowd, before its body is read.
func (s *Server) notCrowded(r *request) error {
	if !s.crowd.full() {
		return nil
	}
	r.body.dropShort()
	return errCrowded()
}

// dropShort reads the body of a refused request if that keeps the connection for
// little.
func (b *body) dropShort() {
	if b.length >= 0 && b.length <= drained {
		_, _ = io.Copy(io.Discard, b)
	}
}

// joinWithBody reads the body of an inference, which then is one of the crowd
// until it is answered.
func (s *Server) joinWithBody(r *request) ([]byte, error) {
	body, err := r.body.all()
	if err != nil {
		return nil, err
	}
	if !s.crowd.enter() {
		return nil, errCrowded()
	}
	r.finish = append(r.finish, s.crowd.leave)
	return body, nil
}
