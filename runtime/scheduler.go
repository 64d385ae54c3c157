package runtime

import (
	"context"
	"errors"
	"sync"
	"time"
)

// scheduler gives the rows that wait to whoever computes, in batches of one
// family. It has as many slots as batches may be computed at once. A slot that
// is free takes what waits, at once: batches become larger as more waits, up to
// a limit, and nobody waits for a batch to fill while a slot is idle, unless
// delay says so.
//
// Each variant has a line of its own, and the lines take turns; see turns.go.
// How many may wait is told in time; see admission.go.
type scheduler struct {
	slots  int           // batches at once
	most   int           // rows of a batch
	mixed  bool          // whether a batch may have rows of several variants; see mixing
	delay  time.Duration // longest that rows wait for a batch to fill while another is computed
	limits limits
	now    func() time.Time
	after  func(time.Duration, func())
	// weights tells what a variant's rows are answered with: a slab, or nothing
	// yet; then, whether they must be alone in their batch for it.
	weights func(l *loaded) (slab *lease, alone bool)
	run     func(*batch)    // computes a batch: each row is finished
	inside  *sync.WaitGroup // counts the slots in use

	mu      sync.Mutex // guards all below, and what requests say that it does
	lines   map[*handle]*line
	turns   []*line // those with rows that wait, by turn
	places  int     // rows admitted that no batch has taken yet
	waiting int     // of them, those that are prepared
	running int     // slots in use
	rows    int     // rows in them
	// When a request was last asked that would wait for longer than the bound, and
	// when the burst began that it is part of.
	strained, burst time.Time
	asleep          bool // a timer will look again
	counts          batchCounts
}

// line is what waits for one variant.
type line struct {
	h      *handle
	l      *loaded
	rows   []*row // prepared, the oldest first
	places int    // admitted, prepared or not
}

// batch are rows that are computed together.
type batch struct {
	family *servedFamily
	groups []group
	rows   int
	began  time.Time
	choice choice
}

// group are a batch's rows of one variant, and the slab that they are answered
// from; nil if it has none.
type group struct {
	h    *handle
	l    *loaded
	rows []*row
	slab *lease
	// Without: its decoded coefficients in the cache, or what decoding them took.
	cores   *lease
	decoded time.Duration
}

func newScheduler(o Options, inside *sync.WaitGroup) *scheduler {
	return &scheduler{slots: o.Parallel, most: o.MaxBatch, mixed: !o.NotMixed, delay: o.MaxDelay,
		limits: limits{rows: o.Queue, wait: o.MaxWait}, inside: inside, lines: map[*handle]*line{}, counts: newBatchCounts(),
		now: time.Now, after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }}
}

// enqueue lets prepared rows wait for a batch. What it gives is closed when all
// of them are answered or one has failed.
func (s *scheduler) enqueue(r *request, rows []row) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.done, r.left = make(chan struct{}), len(rows)
	if r.err != nil { // it has no place any more
		close(r.done)
		return r.done
	}
	n := s.lines[r.h]
	if len(n.rows) == 0 {
		s.turns = append(s.turns, n)
	}
	now := s.now()
	for i := range rows {
		rows[i].queued = now
		n.rows = append(n.rows, &rows[i])
	}
	s.waiting += len(rows)
	done := r.done
	s.kick()
	return done
}

// kick starts computing in the slots that are free, as far as there is work for
// them. The caller holds mu, and a request that waits keeps the engine open.
func (s *scheduler) kick() {
	for s.running < s.slots {
		b := s.next()
		if b == nil {
			return
		}
		s.running++
		s.inside.Add(1)
		go s.work(b)
	}
}

// work computes batches until none waits.
func (s *scheduler) work(b *batch) {
	defer s.inside.Done()
	for b != nil {
		s.run(b)
		s.mu.Lock()
		s.rows -= b.rows
		if b = s.next(); b == nil {
			s.running--
		}
		s.mu.Unlock()
	}
}

// passed takes in what a row of a batch took, where that tells whether to mix.
func (s *scheduler) passed(b *batch, row time.Duration) {
	if b.choice == noChoice {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.family.mixing.took(b.choice, row)
}

// fail ends a request with an error; its rows that wait leave. The caller holds
// mu.
func (s *scheduler) fail(r *request, err error) {
	if r.err != nil {
		return
	}
	r.err = err
	if r.done != nil && r.left > 0 {
		close(r.done)
	}
	s.leave(r)
}

// finish takes a row's answer, or its error, to its request.
func (s *scheduler) finish(x *row, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := x.of
	if r.err != nil {
		return
	}
	if err != nil {
		s.fail(r, err)
	} else if r.left--; r.left == 0 {
		close(r.done)
	}
}

// abandon gives up a request, whatever became of its rows.
func (s *scheduler) abandon(r *request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.err != nil:
	case errors.Is(err, context.Canceled):
		s.counts.gone++
	case errors.Is(err, context.DeadlineExceeded):
		s.counts.late++
	}
	s.fail(r, err)
}

// outcome is the error of a request that is done.
func (s *scheduler) outcome(r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.err
}

// leave gives back the places of a request's rows that no batch has taken. The
// caller holds mu.
func (s *scheduler) leave(r *request) {
	n := s.lines[r.h]
	if n == nil || r.places == 0 {
		return
	}
	kept := n.rows[:0]
	for _, x := range n.rows {
		if x.of != r {
			kept = append(kept, x)
		}
	}
	clear(n.rows[len(kept):])
	s.waiting -= len(n.rows) - len(kept)
	if n.rows = kept; len(kept) == 0 {
		s.skip(n)
	}
	s.free(n, r, r.places)
}

// free takes places from a request and its line. The caller holds mu.
func (s *scheduler) free(n *line, r *request, places int) {
	r.places -= places
	s.places -= places
	if n.places -= places; n.places == 0 {
		delete(s.lines, n.h)
	}
}
