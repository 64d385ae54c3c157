package sched

import (
	"slices"
	"time"
)

// A Batch is inputs that are computed together. Their keys are of one class.
type Batch struct {
	Groups []Group // one for each key
	Size   int     // inputs
	Began  time.Time

	class *Class
	limit int // most inputs
	mode  mode
}

// A Group is the inputs of a batch that have the same key, the oldest first.
type Group struct {
	Inputs []*Input
	Lease  Lease // may be nil

	queue *queue
}

// batchTime is how long a batch may take. What inputs share in a pass, starting it and
// reading the weights, is little compared with a pass that takes so long, and all inputs of
// a batch wait for the last: longer batches would cost latency and gain nothing. ViT-B/16,
// whose inputs take longer than that on two cores, answered as many a second in batches of
// four or eight as one by one, and made them wait four times as long.
const batchTime = 100 * time.Millisecond

// batchLimit returns how many inputs a batch of class c may have.
func (s *Scheduler) batchLimit(c *Class) int {
	cost := c.cost.Mean()
	if cost <= 0 {
		return s.config.MaxBatch
	}
	return max(1, int(min(batchTime/cost, time.Duration(s.config.MaxBatch))))
}

// nextBatch removes the inputs of the next batch from their queues. It returns nil if there
// is nothing to compute now. It is called with mu held.
//
// Queues take turns by deficit round robin (Shreedhar and Varghese 1995). The first queue
// leads the batch. If keys are mixed, the other queues of its class follow in round-robin
// order, and each gives as much of a batch as its share of all that waits, one input at
// least. Every queue that gave something moves to the end of the order. Room that is left
// is filled from the same queues. So a longer queue gets more, and yet the first input of
// each queue is in a batch when the queue's turn comes: of n queues, by the n-th batch from
// now, and by the n/MaxBatch-th if none holds more than a few inputs.
func (s *Scheduler) nextBatch() *Batch {
	now := s.config.Now()
	if wait := s.fillTime(now); wait > 0 {
		s.dispatchAfter(wait)
		return nil
	}
	b := &Batch{Began: now}
	s.gather(b)
	s.fill(b)
	if b.Size == 0 {
		return nil
	}
	s.computing += b.Size
	s.counters.observe(b)
	return b
}

// gather lets the queues whose turn it is give their share to b, which is empty. It is
// called with mu held.
func (s *Scheduler) gather(b *Batch) {
	total := s.queued
	for _, q := range slices.Clone(s.active) {
		switch {
		case b.Size == 0:
			s.lead(b, q, total)
		case b.mode != mixed || b.Size == b.limit:
			return
		case q.class == b.class:
			s.follow(b, q, total)
		}
	}
}

// lead begins b with inputs of q, which decides the class, limit and mode of b. If keys are
// mixed, it takes the share of q in total waiting inputs, otherwise as many as fit. It is
// called with mu held.
func (s *Scheduler) lead(b *Batch, q *queue, total int) {
	b.class, b.limit = q.class, s.batchLimit(q.class)
	b.mode = s.chooseMode(q, b.limit)
	lease, alone := s.config.Lease(q.inputs[0].Request)
	if alone {
		b.mode = single
	}
	n := b.limit
	if b.mode == mixed {
		n = share(b.limit, len(q.inputs), total)
	}
	s.join(b, q, n, lease)
}

// follow adds to b the share of q in total waiting inputs. Inputs that must be alone are
// left for a batch that q leads. It is called with mu held.
func (s *Scheduler) follow(b *Batch, q *queue, total int) {
	lease, alone := s.config.Lease(q.inputs[0].Request)
	if alone {
		return
	}
	s.join(b, q, min(share(b.limit, len(q.inputs), total), b.limit-b.Size), lease)
}

// share returns how much of a batch of at most limit inputs belongs to a queue with n of
// total inputs.
func share(limit, n, total int) int { return max(1, limit*n/max(1, total)) }

// join moves up to n inputs of q into b as a group with a lease. If they all are stale, it
// releases the lease. It is called with mu held.
func (s *Scheduler) join(b *Batch, q *queue, n int, lease Lease) {
	inputs := s.dequeue(q, n, b.Began)
	if len(inputs) > 0 {
		b.Groups = append(b.Groups, Group{Inputs: inputs, Lease: lease, queue: q})
		b.Size += len(inputs)
	} else if lease != nil {
		lease.Release()
	}
}

// fill moves more inputs of the queues that are in b into it, while there is room. It is
// called with mu held.
func (s *Scheduler) fill(b *Batch) {
	for i := range b.Groups {
		if b.Size == b.limit {
			return
		}
		g := &b.Groups[i]
		more := s.dequeue(g.queue, b.limit-b.Size, b.Began)
		g.Inputs = append(g.Inputs, more...)
		b.Size += len(more)
	}
}

// chooseMode returns the mode of a batch that q leads, and counts the choice if there is
// one. It is called with mu held.
func (s *Scheduler) chooseMode(q *queue, limit int) mode {
	isRival := func(o *queue) bool { return o != q && o.class == q.class }
	switch {
	case limit == 1 || !slices.ContainsFunc(s.active, isRival):
		return single
	case s.config.Separate:
		return separate
	}
	return q.class.mixing.choose()
}

// fillTime returns how much longer the inputs in queues should wait for a batch to fill:
// until the oldest has waited MaxDelay, or not at all if nothing is computed or if they fill
// a batch already. It is called with mu held.
func (s *Scheduler) fillTime(now time.Time) time.Duration {
	if s.config.MaxDelay == 0 || s.computing == 0 || s.queued == 0 || s.queued >= s.config.MaxBatch {
		return 0
	}
	oldest := now
	for _, q := range s.active {
		if t := q.inputs[0].Queued; t.Before(oldest) {
			oldest = t
		}
	}
	return max(0, s.config.MaxDelay-now.Sub(oldest))
}

// dispatchAfter sets a timer that dispatches, unless one is set. It is called with mu held.
func (s *Scheduler) dispatchAfter(d time.Duration) {
	if s.timer {
		return
	}
	s.timer = true
	s.config.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.timer = false
		s.dispatch()
	})
}
