package runtime

import (
	"math"
	"slices"
	"sync"
	"time"

	"eigenserve/runtime/cache"
)

// VersionStats are the statistics of one version of a name since the engine opened.
type VersionStats struct {
	Name                                      string
	Version                                   int
	Last                                      time.Time // of the last answer; zero before the first
	Rows                                      int64     // inputs answered
	Runs                                      int64     // batches that answered them
	Success, Fail, Queue, Preprocess, Compute Total     // Compute includes rebuilds
	// Memory is what the version holds: coefficients, private tensors and weights.
	Memory int64
	// Batches are those that answered inputs of the version, by size.
	Batches []BatchStats
}

// BatchStats are the statistics of the batches of one size. In a batch that mixes models,
// the inputs of the others count too.
type BatchStats struct {
	Size                int
	Preprocess, Compute Total // of the version's own inputs; of the whole batch
}

// Total is a sum of durations.
type Total struct {
	Count int64
	Took  time.Duration
}

func (t *Total) add(n int64, d time.Duration) {
	t.Count += n
	t.Took += d
}

// usage is what a version's requests came to, from the first one on.
type usage struct {
	mu     sync.Mutex // guards what follows
	stats  VersionStats
	recent recent
}

// usageOrNew returns the handle's usage, a new one before the first request.
func (h *handle) usageOrNew() *usage {
	if u := h.usage.Load(); u != nil {
		return u
	}
	h.usage.CompareAndSwap(nil, &usage{})
	return h.usage.Load()
}

// recordBatch records a batch of the given size that answered some of the version's inputs.
func (h *handle) recordBatch(size int, preprocess, compute time.Duration) {
	u := h.usageOrNew()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Runs++
	i, found := slices.BinarySearchFunc(u.stats.Batches, size, func(b BatchStats, n int) int { return b.Size - n })
	if !found {
		u.stats.Batches = slices.Insert(u.stats.Batches, i, BatchStats{Size: size})
	}
	u.stats.Batches[i].Preprocess.add(1, preprocess)
	u.stats.Batches[i].Compute.add(1, compute)
}

// recordCall records a call that began at the given time.
func (h *handle) recordCall(began time.Time, inputs int, t Timing, err error) {
	u := h.usageOrNew()
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	s := &u.stats
	if err != nil {
		s.Fail.add(1, now.Sub(began))
		return
	}
	s.Last = now
	s.Rows += int64(inputs)
	s.Success.add(1, now.Sub(began))
	u.recent.add(now, now.Sub(began))
	s.Queue.add(1, t.Queue)
	s.Preprocess.add(1, t.Preprocess)
	s.Compute.add(1, t.Rebuild+t.Compute)
}

// answered returns the sum of the calls that a version answered, and the recent ones.
func (h *handle) answered() (t Total, r recent) {
	if u := h.usage.Load(); u != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.stats.Success, u.recent
	}
	return t, r
}

// Stats returns the statistics of the version that a reference stands for or, for "", of
// all versions that had requests.
func (eng *Engine) Stats(ref string) ([]VersionStats, error) {
	if ref != "" {
		h, err := eng.find(ref)
		if err != nil {
			return nil, err
		}
		return []VersionStats{eng.stats(h)}, nil
	}
	var out []VersionStats
	for _, h := range eng.catalogue.all() {
		if h.usage.Load() != nil {
			out = append(out, eng.stats(h))
		}
	}
	return out, nil
}

func (eng *Engine) stats(h *handle) (s VersionStats) {
	if u := h.usage.Load(); u != nil {
		u.mu.Lock()
		s = u.stats
		s.Batches = slices.Clone(s.Batches)
		u.mu.Unlock()
	}
	s.Name, s.Version = h.entry.Name, h.entry.Version
	if l := h.loaded.Load(); l != nil {
		s.Memory = l.variant.CoefficientBytes + l.variant.PrivateBytes
		if eng.cache.Contains(cache.Weights, h.entry.Digest) {
			s.Memory += l.bytes()
		}
	}
	return s
}

// recency is the time constant of recent: a call of age t counts exp(−t/recency).
const recency = 10 * time.Second

// recent is a version's load and latency, averaged over the last seconds.
type recent struct {
	calls float64 // sum of the calls' weights as of at
	took  float64 // their mean latency in seconds, by the same weights
	at    time.Time
}

// weight returns the sum of the calls' weights at a later time.
func (r recent) weight(now time.Time) float64 {
	return r.calls * math.Exp(-float64(max(0, now.Sub(r.at)))/float64(recency))
}

// add records a call that was answered now.
func (r *recent) add(now time.Time, took time.Duration) {
	w := r.weight(now)
	r.took = (r.took*w + took.Seconds()) / (w + 1)
	r.calls, r.at = w+1, now
}

// rate returns the calls per second.
func (r recent) rate(now time.Time) float64 { return r.weight(now) / recency.Seconds() }
