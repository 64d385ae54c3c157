package sched

import "slices"

// Counters count what a scheduler does now and did since it was made.
type Counters struct {
	Pending int64 // inputs that are admitted and in no batch yet
	Queued  int64 // of these, inputs that are ready to be computed
	Running int64 // batches that are computed

	Batches Histogram // batches by their number of inputs
	Waits   Histogram // inputs by how many seconds they waited in their queue

	// Requests that were refused because they would wait or had waited too long, whose
	// deadline passed while they waited, and that were canceled.
	Refused, DeadlineExceeded, Canceled int64
}

// Histogram counts values.
type Histogram struct {
	Bounds []float64
	Counts []int64 // of the values up to each bound, and above them all
	Sum    float64
}

// Counters returns a snapshot.
func (s *Scheduler) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters
	c.Pending, c.Queued, c.Running = int64(s.pending), int64(s.queued), int64(s.running)
	c.Batches.Counts, c.Waits.Counts = slices.Clone(c.Batches.Counts), slices.Clone(c.Waits.Counts)
	return c
}

func newCounters() Counters {
	return Counters{
		Batches: newHistogram(1, 2, 4, 8, 16, 32, 64),
		Waits:   newHistogram(.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5),
	}
}

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]int64, len(bounds)+1)}
}

func (h *Histogram) observe(x float64) {
	i, _ := slices.BinarySearch(h.Bounds, x)
	h.Counts[i]++
	h.Sum += x
}

// observe counts a batch that begins.
func (c *Counters) observe(b *Batch) {
	c.Batches.observe(float64(b.Size))
	for _, g := range b.Groups {
		for _, in := range g.Inputs {
			c.Waits.observe(b.Began.Sub(in.Queued).Seconds())
		}
	}
}
