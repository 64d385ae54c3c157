package runtime

import "time"

// How much may wait is told in time, not in requests: what a row takes is
// measured as the rows are answered, and from that comes when a new one would
// have its turn. Whoever would wait for longer than the bound is refused at once
// and told when to come back, so that under any load those who are answered have
// waited for no longer than that. The wait is one's own: by the turns that the
// lines take, so that a line which is asked for too much refuses its own requests
// and not those of the others.
//
// A burst is not an overload. As in CoDel (Nichols and Jacobson 2012), what is
// not to be is a queue that stands: as long as the bound has not been in force
// for some time, it may be passed for the length of a burst.

// limits bound what waits.
type limits struct {
	rows int           // admitted
	wait time.Duration // that a request should wait at most; 0: see target
}

const (
	// leastWait keeps the bound above what a scheduler of threads, or a collector,
	// may take from a request anyway.
	leastWait = 10 * time.Millisecond
	// A request may wait for the time of leastRows rows, and of moreRows over the
	// slots: at four fifths of what can be done, nine in ten arrivals at random wait
	// less (M/D/c: 5 rows' time on one slot, 2.4 on two, 0.2 on sixteen). Of many
	// slots one is free sooner: to wait longer would only make an overload's answers
	// late.
	leastRows, moreRows = 1, 4
	burstWait           = 2 * time.Second        // bound during a burst
	burst               = 100 * time.Millisecond // how long one may last
	quietTime           = 250 * time.Millisecond // how long none may be wanted before the next
)

// admit lets a request have its places, or refuses it.
func (s *scheduler) admit(r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lines[r.h]
	if n == nil {
		n = &line{h: r.h, l: r.l}
	}
	if err := s.refuse(n, r, s.now()); err != nil {
		s.counts.refused++
		return err
	}
	s.lines[r.h] = n
	r.places = len(r.rows)
	n.places += r.places
	s.places += r.places
	return nil
}

// refuse says why a request can't be admitted to a line. The caller holds mu.
func (s *scheduler) refuse(n *line, r *request, now time.Time) error {
	wait := s.wait(n)
	if s.places > 0 && s.places+len(r.rows) > s.limits.rows {
		return overloaded(wait, "%d inputs wait already", s.places)
	}
	if bound := s.bound(n.l.family, wait, now); wait > bound {
		return overloaded(wait, "a request for this model would wait for %v, which is over the bound of %v", rounded(wait), rounded(bound))
	}
	takes := time.Duration(len(r.rows)) * n.l.family.costs.row.mean() / time.Duration(min(len(r.rows), s.slots))
	if s.busy(0) && !r.deadline.IsZero() && now.Add(wait+takes).After(r.deadline) {
		return overloaded(wait, "the answer would take %v, which is after the request's deadline", rounded(wait+takes))
	}
	return nil
}

// busy tells whether anything is computed, or more rows than so many have a place.
// While nothing else is, no request is refused for what others took: else a cost
// that was measured too high, once, could refuse all those that would show it.
func (s *scheduler) busy(rows int) bool { return s.rows > 0 || s.places > rows }

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// wait estimates for how long a new row at the end of a line would wait for its
// turn. The caller holds mu.
func (s *scheduler) wait(n *line) time.Duration {
	own, total := n.places, s.places
	turns := own/max(1, s.share(n.l.family, own+1, total+1)) + 1 // until it is taken
	ahead := time.Duration(own) * n.l.family.costs.row.mean()
	for _, other := range s.lines {
		if other == n {
			continue
		}
		rows := min(other.places, turns*s.share(other.l.family, other.places, total))
		ahead += time.Duration(rows) * other.l.family.costs.row.mean()
	}
	return ahead / time.Duration(s.slots)
}

// share is how many rows a line that has so many of the total takes at its turn.
func (s *scheduler) share(f *servedFamily, rows, total int) int {
	most := s.batchOf(f)
	if !s.mixed || !f.mixing.pays() {
		return most
	}
	return max(1, most*rows/max(1, total))
}

// bound is the longest that a request may wait, now that one would wait for so
// long. The caller holds mu.
func (s *scheduler) bound(f *servedFamily, wait time.Duration, now time.Time) time.Duration {
	target := s.target(f)
	if wait <= target {
		return target
	}
	if now.Sub(s.strained) > quietTime {
		s.burst = now // the first after a quiet time begins a burst
	}
	s.strained = now
	if now.Sub(s.burst) <= burst {
		return max(target, burstWait)
	}
	return target
}

// target is the bound of the wait outside of a burst: long enough for full
// batches to gather.
func (s *scheduler) target(f *servedFamily) time.Duration {
	if s.limits.wait > 0 {
		return s.limits.wait
	}
	row := f.costs.row.mean()
	return max(leastWait, time.Duration(s.batchOf(f))*row, leastRows*row+moreRows*row/time.Duration(s.slots))
}

// late says why a row whose turn it is should not be computed any more: it would
// miss its deadline, or has waited since a burst that became an overload. The
// caller holds mu.
func (s *scheduler) late(x *row, now time.Time) error {
	f := x.of.l.family
	takes := time.Duration(0)
	if s.busy(1) {
		takes = f.costs.row.mean()
	}
	if d := x.of.deadline; !d.IsZero() && now.Add(takes).After(d) {
		s.counts.late++
		return Errorf(Deadline, "the request waited too long to be answered before its deadline")
	}
	// While requests still come that would wait too long:
	stands := now.Sub(s.strained) <= burst && now.Sub(s.burst) > burst
	target := s.target(f)
	if waited := now.Sub(x.queued); stands && waited > max(2*target, burst/2) {
		s.counts.refused++
		return overloaded(target, "the request waited for %v, which is over the bound of %v", rounded(waited), rounded(target))
	}
	return nil
}

// overloaded is a refusal that says when to try again.
func overloaded(wait time.Duration, format string, args ...any) error {
	err := Errorf(Overloaded, format, args...)
	err.RetryAfter = wait
	return err
}
