package sched

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Config is how a scheduler works. Slots, MaxBatch, MaxQueue and Run must be set.
type Config struct {
	Slots    int // batches computed at once
	MaxBatch int // most inputs of a batch
	MaxQueue int // most inputs that wait
	// Separate keeps each batch to one key.
	Separate bool
	// MaxDelay is how long inputs wait for a batch to fill while another is computed.
	// They don't wait while nothing is computed.
	MaxDelay time.Duration
	// MaxWait is the longest that a request may wait for its turn, bursts aside. If it
	// is 0, the limit follows the measured cost of an input.
	MaxWait time.Duration

	// Run computes a batch. It calls Finish once for each input, and releases the
	// leases of the groups.
	Run func(*Batch)
	// Lease returns what the inputs of a request's key are computed with, or nil if
	// nothing is held for them, and whether they must be alone in their batch. There is
	// no lease for inputs that must be alone. Lease is called when the inputs' turn has
	// come, with the scheduler locked: it must not wait or call the scheduler. If Lease
	// is nil, inputs need no lease and share batches.
	Lease func(*Request) (l Lease, alone bool)

	// Go starts a goroutine. It may be nil.
	Go func(f func())
	// Now and AfterFunc are the clock. They may be nil.
	Now       func() time.Time
	AfterFunc func(time.Duration, func())
}

// A Lease holds what a group of inputs is computed with.
type Lease interface{ Release() }

// A Scheduler hands waiting inputs in batches to its slots.
//
// A free slot takes what waits at once. So batches grow as more waits, up to a limit, and
// no input waits for a batch to fill while a slot is idle, unless MaxDelay says so.
type Scheduler struct {
	config Config // not changed after New

	// mu guards what follows, the queues' fields, the unexported fields of requests, and
	// the choices of classes.
	mu        sync.Mutex
	queues    map[any]*queue // by key, those with pending inputs
	active    []*queue       // queues that hold inputs, in round-robin order
	pending   int            // inputs that are admitted and in no batch yet
	queued    int            // inputs in queues; the other pending ones are being prepared
	running   int            // slots in use
	computing int            // inputs in the batches of these slots
	burst     burst
	timer     bool // a timer is set that dispatches
	counters  Counters
}

// New returns a scheduler.
func New(c Config) *Scheduler {
	if c.Lease == nil {
		c.Lease = func(*Request) (Lease, bool) { return nil, false }
	}
	if c.Go == nil {
		c.Go = func(f func()) { go f() }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AfterFunc == nil {
		c.AfterFunc = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	return &Scheduler{config: c, queues: map[any]*queue{}, counters: newCounters()}
}

// Enqueue adds the inputs of an admitted request from index from up to, but not including,
// to to the queue of its key. The inputs must be ready to be computed. The returned channel
// is closed when all of them are finished or the request has failed.
func (s *Scheduler) Enqueue(r *Request, from, to int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.done, r.unfinished = make(chan struct{}), to-from
	if r.err != nil { // its inputs are not pending any more
		close(r.done)
		return r.done
	}
	done := r.done
	s.push(s.queues[r.Key], r.Inputs[from:to], s.config.Now())
	s.dispatch()
	return done
}

// dispatch starts a batch in each free slot while there is one to compute. It is called
// with mu held.
func (s *Scheduler) dispatch() {
	for s.running < s.config.Slots {
		b := s.nextBatch()
		if b == nil {
			return
		}
		s.running++
		s.config.Go(func() { s.work(b) })
	}
}

// work computes b and then further batches in the same slot, until there are none.
func (s *Scheduler) work(b *Batch) {
	for b != nil {
		s.config.Run(b)
		b.class.cost.Observe(s.config.Now().Sub(b.Began) / time.Duration(b.Size))
		b = s.nextAfter(b)
	}
}

// nextAfter ends b, and returns the next batch of its slot. If it returns nil, the slot is
// free.
func (s *Scheduler) nextAfter(b *Batch) *Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.computing -= b.Size
	next := s.nextBatch()
	if next == nil {
		s.running--
	}
	return next
}

// TakeSlot takes a free slot, in which no batch is computed until release is called. It
// reports whether there was one. Tests use it to let inputs gather.
func (s *Scheduler) TakeSlot() (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == s.config.Slots {
		return nil, false
	}
	s.running++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
		s.dispatch()
	}, true
}

// Finish ends the computing of an input. An error fails the input's request.
func (s *Scheduler) Finish(in *Input, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := in.Request
	switch {
	case r.err != nil:
	case err != nil:
		s.fail(r, err)
	default:
		if r.unfinished--; r.unfinished == 0 {
			close(r.done)
		}
	}
}

// Abandon fails a request for a reason outside the scheduler. Inputs that are being
// computed are not stopped.
func (s *Scheduler) Abandon(r *Request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.err != nil:
	case errors.Is(err, context.Canceled):
		s.counters.Canceled++
	case errors.Is(err, context.DeadlineExceeded):
		s.counters.DeadlineExceeded++
	}
	s.fail(r, err)
}

// Err returns the error that a request failed with, or nil.
func (s *Scheduler) Err(r *Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.err
}

// fail ends a request with an error. Its pending inputs don't wait any longer. It does
// nothing if the request has failed before. It is called with mu held.
func (s *Scheduler) fail(r *Request, err error) {
	if r.err != nil {
		return
	}
	r.err = err
	if r.done != nil && r.unfinished > 0 {
		close(r.done)
	}
	s.withdraw(r)
}
