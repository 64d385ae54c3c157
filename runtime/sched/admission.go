package sched

import (
	"time"

	"eigenserve/runtime/fault"
)

const (
	// leastWait keeps the limit above what a scheduler of threads, or a collector, may
	// take from a request anyway.
	leastWait = 10 * time.Millisecond
	// A request may wait for the time of leastInputs inputs, and of moreInputs divided by
	// the slots: at four fifths of what can be done, nine in ten arrivals at random wait
	// less (M/D/c: the time of 5 inputs with one slot, 2.4 with two, 0.2 with sixteen).
	// With many slots one is free sooner, and a longer wait would only make answers late
	// under overload.
	leastInputs, moreInputs = 1, 4
)

// Admit makes the inputs of a request pending, or refuses the request with an error that
// says why and when to try again. An admitted request is enqueued next.
//
// How much may wait is limited in time, not in requests. The time that an input takes is
// measured, and from that it is estimated when a new request would have its turn. If it
// would wait longer than the limit it is refused at once. So under any load, requests that
// are answered have not waited longer than that. The wait depends on the queue: since
// queues take turns, a key with too many requests has its own refused and not the others'.
func (s *Scheduler) Admit(r *Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[r.Key]
	if q == nil {
		q = &queue{key: r.Key, class: r.Class}
	}
	now, n := s.config.Now(), len(r.Inputs)
	wait, target := s.estimateWait(q), s.targetWait(q.class)
	if s.pending > 0 && s.pending+n > s.config.MaxQueue {
		s.counters.Refused++
		return refusal(wait, "%d inputs are waiting already", s.pending)
	}
	s.burst.observe(now, wait > target)
	if err := s.checkWait(r, wait, s.burst.limit(now, target), now); err != nil {
		s.counters.Refused++
		return err
	}
	s.queues[r.Key] = q
	r.pending = n
	q.pending += n
	s.pending += n
	return nil
}

// checkWait returns why a request that would wait for so long should be refused, or nil. It
// is called with mu held.
func (s *Scheduler) checkWait(r *Request, wait, limit time.Duration, now time.Time) error {
	if wait > limit {
		return refusal(wait, "this request would wait %v for its turn, longer than the limit of %v", rounded(wait), rounded(limit))
	}
	n := len(r.Inputs)
	takes := time.Duration(n) * r.Class.cost.Mean() / time.Duration(min(n, s.config.Slots))
	if !r.Deadline.IsZero() && s.isBusy(0) && now.Add(wait+takes).After(r.Deadline) {
		return refusal(wait, "the answer would take %v, which is past the request's deadline", rounded(wait+takes))
	}
	return nil
}

// refusal returns an Overloaded error that says when to try again.
func refusal(wait time.Duration, format string, args ...any) error {
	err := fault.Errorf(fault.Overloaded, format, args...)
	err.RetryAfter = wait
	return err
}

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// isBusy reports whether anything is computed or more than n inputs are pending. While
// that is not so, no request is refused for what others took: otherwise a cost that was
// measured too high, once, could refuse all requests that would correct it. It is called
// with mu held.
func (s *Scheduler) isBusy(n int) bool { return s.computing > 0 || s.pending > n }

// targetWait returns how long a request of class c may wait, bursts aside: long enough for
// full batches to gather.
func (s *Scheduler) targetWait(c *Class) time.Duration {
	if s.config.MaxWait > 0 {
		return s.config.MaxWait
	}
	cost := c.cost.Mean()
	return max(leastWait, time.Duration(s.batchLimit(c))*cost, leastInputs*cost+moreInputs*cost/time.Duration(s.config.Slots))
}

// estimateWait returns for how long a new input at the end of q would wait for its turn:
// the time of the inputs ahead of it in q, and of those that the other queues give to
// batches meanwhile. It is called with mu held.
func (s *Scheduler) estimateWait(q *queue) time.Duration {
	rounds := q.pending/s.estimateShare(q.class, q.pending+1, s.pending+1) + 1
	ahead := time.Duration(q.pending) * q.class.cost.Mean()
	for _, o := range s.queues {
		if o == q {
			continue
		}
		n := min(o.pending, rounds*s.estimateShare(o.class, o.pending, s.pending))
		ahead += time.Duration(n) * o.class.cost.Mean()
	}
	return ahead / time.Duration(s.config.Slots)
}

// estimateShare returns how many inputs a queue of class c with n of total inputs gives to
// a batch at its turn. It is called with mu held.
func (s *Scheduler) estimateShare(c *Class, n, total int) int {
	limit := s.batchLimit(c)
	if s.config.Separate || !c.mixing.pays() {
		return limit
	}
	return share(limit, n, total)
}
