package sched

import (
	"slices"
	"time"

	"eigenserve/runtime/fault"
)

// queue holds the inputs that wait for one key. It exists while there are pending ones.
type queue struct {
	key     any
	class   *Class
	inputs  []*Input // the oldest first
	pending int      // inputs that are admitted, in the queue or not yet
}

// push adds inputs to q, which becomes the last in round-robin order if it was empty. It
// is called with mu held.
func (s *Scheduler) push(q *queue, inputs []Input, now time.Time) {
	if len(q.inputs) == 0 {
		s.active = append(s.active, q)
	}
	for i := range inputs {
		inputs[i].Queued = now
		q.inputs = append(q.inputs, &inputs[i])
	}
	s.queued += len(inputs)
}

// dequeue removes up to n inputs from the head of q and returns them. It then moves q to
// the end of the round-robin order, or out of it if q is empty. Inputs that are stale are
// dropped and don't count. It is called with mu held.
func (s *Scheduler) dequeue(q *queue, n int, now time.Time) (taken []*Input) {
	s.deactivate(q)
	for len(taken) < n && len(q.inputs) > 0 {
		in := q.inputs[0]
		if s.dropIfStale(in, now) {
			continue
		}
		q.inputs[0], q.inputs = nil, q.inputs[1:]
		s.queued--
		s.settle(q, in.Request, 1)
		taken = append(taken, in)
	}
	if len(q.inputs) > 0 {
		s.active = append(s.active, q)
	}
	return taken
}

// dropIfStale fails the request of an input whose turn has come too late, which removes
// the input from its queue, and reports whether it did. It is called with mu held.
func (s *Scheduler) dropIfStale(in *Input, now time.Time) bool {
	target := s.targetWait(in.Request.Class)
	switch {
	case s.missesDeadline(in, now):
		s.counters.DeadlineExceeded++
		s.fail(in.Request, fault.Errorf(fault.Deadline, "the request waited too long to be answered before its deadline"))
	case s.outlastsBurst(in, target, now):
		err := refusal(target, "the request waited %v, longer than the limit of %v", rounded(now.Sub(in.Queued)), rounded(target))
		s.counters.Refused++
		s.fail(in.Request, err)
	default:
		return false
	}
	return true
}

// missesDeadline reports whether an input can't be answered by its deadline any more, even
// if it is computed now. It is called with mu held.
func (s *Scheduler) missesDeadline(in *Input, now time.Time) bool {
	r := in.Request
	if r.Deadline.IsZero() {
		return false
	}
	takes := time.Duration(0)
	if s.isBusy(1) {
		takes = r.Class.cost.Mean()
	}
	return now.Add(takes).After(r.Deadline)
}

// outlastsBurst reports whether an input has waited since a burst that has become an
// overload. It is called with mu held.
func (s *Scheduler) outlastsBurst(in *Input, target time.Duration, now time.Time) bool {
	return s.burst.isOverload(now) && now.Sub(in.Queued) > max(2*target, burstLength/2)
}

// withdraw removes the pending inputs of a request. It is called with mu held.
func (s *Scheduler) withdraw(r *Request) {
	q := s.queues[r.Key]
	if q == nil || r.pending == 0 {
		return
	}
	before := len(q.inputs)
	q.inputs = slices.DeleteFunc(q.inputs, func(in *Input) bool { return in.Request == r })
	s.queued -= before - len(q.inputs)
	if len(q.inputs) == 0 {
		s.deactivate(q)
	}
	s.settle(q, r, r.pending)
}

// settle subtracts n inputs of a request from those that are pending. It is called with mu
// held.
func (s *Scheduler) settle(q *queue, r *Request, n int) {
	r.pending -= n
	s.pending -= n
	if q.pending -= n; q.pending == 0 {
		delete(s.queues, q.key)
	}
}

// deactivate removes q from the round-robin order. It is called with mu held.
func (s *Scheduler) deactivate(q *queue) {
	if i := slices.Index(s.active, q); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
	}
}
