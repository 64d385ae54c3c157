package runtime

import (
	"slices"
	"time"
)

// Lines take turns by deficit round robin (Shreedhar and Varghese 1995): the
// line whose turn it is leads a batch with as many of its rows as its share of
// all that wait is of a batch, one at least; the next lines of its family follow
// with theirs while there is room, and each goes to the end. So a line that waits
// for more gets more, and yet whatever waits in the others, one that has any rows
// gets the first of them into a batch at its turn: of n lines that is by the n-th
// batch from now, and by the n/most-th where none has more than a few rows.
//
// What of a batch is free after that is filled with more of the same lines' rows.

// batchTime is what a batch may take. What rows share of a pass, starting it and
// reading the weights, is little beside a pass that takes so long, and all rows of
// a batch wait for its last: longer batches would cost latency and gain nothing.
// ViT-B/16, whose rows take longer than that on two cores, answered as many a second
// in batches of four or eight as one by one, and made them wait four times as long.
const batchTime = 100 * time.Millisecond

// batchOf is how many rows a batch of a family may have.
func (s *scheduler) batchOf(f *servedFamily) int {
	row := f.costs.row.mean()
	if row <= 0 {
		return s.most
	}
	return max(1, int(min(batchTime/row, time.Duration(s.most))))
}

// next takes the rows of the next batch, or gives nil. The caller holds mu.
func (s *scheduler) next() *batch {
	now := s.now()
	if s.toFill(now) {
		return nil
	}
	b := &batch{began: now}
	total, most := s.waiting, s.most
	for _, n := range slices.Clone(s.turns) {
		if b.rows == 0 {
			most = s.batchOf(n.l.family)
			b.choice = s.choose(n, most)
		}
		if b.rows == most || b.rows > 0 && n.l.family != b.family {
			continue
		}
		slab, alone := s.weights(n.l)
		switch {
		case alone && b.rows > 0:
			continue // it leads a batch of its own at the next turn
		case alone:
			b.choice = noChoice
		}
		share := most
		if b.choice != chosenApart && !alone {
			share = max(1, most*len(n.rows)/total)
		}
		s.take(b, n, min(share, most-b.rows), slab)
		if b.rows > 0 && (alone || b.choice != chosenMixed) {
			break
		}
	}
	for i := range b.groups {
		g := &b.groups[i]
		if n := s.lines[g.h]; n != nil && b.rows < most {
			more := s.remove(n, most-b.rows, now)
			g.rows = append(g.rows, more...)
			b.rows += len(more)
		}
	}
	if b.rows == 0 {
		return nil
	}
	s.rows += b.rows
	s.counts.take(b)
	return b
}

// choose says how a batch that a line leads is put together. The caller holds mu.
func (s *scheduler) choose(n *line, most int) choice {
	others := slices.ContainsFunc(s.turns, func(o *line) bool { return o != n && o.l.family == n.l.family })
	switch {
	case !others || most == 1:
		return noChoice
	case !s.mixed:
		return chosenApart
	}
	return n.l.family.mixing.choose()
}

// take moves up to so many of a line's rows into a batch, with the lease of the
// slab that they are answered from.
func (s *scheduler) take(b *batch, n *line, most int, slab *lease) {
	rows := s.remove(n, most, b.began)
	if len(rows) == 0 {
		if slab != nil {
			slab.release()
		}
		return
	}
	b.family = n.l.family
	b.groups = append(b.groups, group{h: n.h, l: n.l, rows: rows, slab: slab})
	b.rows += len(rows)
}

// remove takes up to so many rows off the head of a line, and the line to the
// end of the turns, or out of them. Rows that come too late are failed.
func (s *scheduler) remove(n *line, most int, now time.Time) (rows []*row) {
	s.skip(n)
	for len(rows) < most && len(n.rows) > 0 {
		x := n.rows[0]
		if err := s.late(x, now); err != nil {
			s.fail(x.of, err)
			continue
		}
		n.rows[0], n.rows = nil, n.rows[1:]
		s.waiting--
		s.free(n, x.of, 1)
		rows = append(rows, x)
	}
	if len(n.rows) > 0 {
		s.turns = append(s.turns, n)
	}
	return rows
}

// skip takes a line out of the turns.
func (s *scheduler) skip(n *line) {
	if i := slices.Index(s.turns, n); i >= 0 {
		s.turns = slices.Delete(s.turns, i, i+1)
	}
}

// toFill tells whether what waits should go on doing so for a batch to fill:
// while another batch is computed, and no row has waited for longer than delay.
// Then it will be looked at again in time.
func (s *scheduler) toFill(now time.Time) bool {
	if s.delay == 0 || s.rows == 0 || s.waiting == 0 || s.waiting >= s.most {
		return false
	}
	oldest := now
	for _, n := range s.turns {
		if at := n.rows[0].queued; at.Before(oldest) {
			oldest = at
		}
	}
	left := s.delay - now.Sub(oldest)
	if left <= 0 {
		return false
	}
	if !s.asleep {
		s.asleep = true
		s.after(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asleep = false
			s.kick()
		})
	}
	return true
}
