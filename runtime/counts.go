package runtime

import "slices"

// batchCounts count what a scheduler did since its start.
type batchCounts struct {
	batches Histogram // of rows
	waits   Histogram // in seconds
	// Requests: over the bound, past their deadline, given up by who asked.
	refused, late, gone int64
}

func newBatchCounts() batchCounts {
	return batchCounts{
		batches: newHistogram(1, 2, 4, 8, 16, 32, 64),
		waits:   newHistogram(.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5),
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

func (h *Histogram) clone() Histogram {
	return Histogram{Bounds: h.Bounds, Counts: slices.Clone(h.Counts), Sum: h.Sum}
}

// take counts a batch that is to be computed.
func (c *batchCounts) take(b *batch) {
	c.batches.observe(float64(b.rows))
	for _, g := range b.groups {
		for _, x := range g.rows {
			c.waits.observe(b.began.Sub(x.queued).Seconds())
		}
	}
}

// counters are a snapshot.
func (s *scheduler) counters() (waiting int64, c BatchCounters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.places), BatchCounters{Running: int64(s.running), Batches: s.counts.batches.clone(), Waits: s.counts.waits.clone(),
		Refused: s.counts.refused, Late: s.counts.late, Gone: s.counts.gone}
}
