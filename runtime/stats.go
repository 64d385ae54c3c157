package runtime

import (
	"slices"
	"sync"
	"time"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
)

// VersionStats is what one version of a name was asked since the engine opened.
type VersionStats struct {
	Name                                      string
	Version                                   int
	Last                                      time.Time // of the last answer; zero before the first
	Rows                                      int64     // inputs answered
	Runs                                      int64     // batches that answered them
	Success, Fail, Queue, Preprocess, Compute Total     // Compute with rebuilds
	// Memory is what the version holds: coefficients, private tensors, weights.
	Memory int64
	// Batches are those that answered inputs of the version, by size.
	Batches []BatchStats
}

// BatchStats are the batches of one size. In a batch that mixes models the others'
// inputs are counted, too.
type BatchStats struct {
	Size                int
	Preprocess, Compute Total // of the version's own inputs; of the whole batch
}

// Total sums durations.
type Total struct {
	Count int64
	Took  time.Duration
}

func (t *Total) add(n int64, d time.Duration) {
	t.Count += n
	t.Took += d
}

// tally keeps a handle's VersionStats, from its first request on.
type tally struct {
	mu     sync.Mutex // guards what follows
	stats  VersionStats
	recent recent
}

func (h *handle) tallied() *tally {
	if y := h.tally.Load(); y != nil {
		return y
	}
	h.tally.CompareAndSwap(nil, &tally{})
	return h.tally.Load()
}

// ran counts a batch of so many inputs, some of which were the version's.
func (h *handle) ran(size int, preprocess, compute time.Duration) {
	y := h.tallied()
	y.mu.Lock()
	defer y.mu.Unlock()
	y.stats.Runs++
	i, found := slices.BinarySearchFunc(y.stats.Batches, size, func(b BatchStats, n int) int { return b.Size - n })
	if !found {
		y.stats.Batches = slices.Insert(y.stats.Batches, i, BatchStats{Size: size})
	}
	y.stats.Batches[i].Preprocess.add(1, preprocess)
	y.stats.Batches[i].Compute.add(1, compute)
}

// record counts a call that began then.
func (h *handle) record(began time.Time, rows int, t Timing, err error) {
	y := h.tallied()
	now := time.Now()
	y.mu.Lock()
	defer y.mu.Unlock()
	s := &y.stats
	if err != nil {
		s.Fail.add(1, now.Sub(began))
		return
	}
	s.Last = now
	s.Rows += int64(rows)
	s.Success.add(1, now.Sub(began))
	y.recent.add(now, now.Sub(began))
	s.Queue.add(1, t.Queue)
	s.Preprocess.add(1, t.Preprocess)
	s.Compute.add(1, t.Rebuild+t.Compute)
}

// Stats tells of the version that a reference stands for, or, for "", of all that
// were asked.
func (eng *Engine) Stats(ref string) ([]VersionStats, error) {
	if ref != "" {
		h, err := eng.find(ref)
		if err != nil {
			return nil, err
		}
		return []VersionStats{eng.stats(h)}, nil
	}
	var out []VersionStats
	for _, h := range eng.handles() {
		if h.tally.Load() != nil {
			out = append(out, eng.stats(h))
		}
	}
	return out, nil
}

// answered sums the calls that a version answered, and tells of the recent ones.
func (h *handle) answered() (t Total, r recent) {
	if y := h.tally.Load(); y != nil {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y.stats.Success, y.recent
	}
	return t, r
}

func (eng *Engine) stats(h *handle) (s VersionStats) {
	if y := h.tally.Load(); y != nil {
		y.mu.Lock()
		s = y.stats
		s.Batches = slices.Clone(s.Batches)
		y.mu.Unlock()
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

// Ready tells whether a request for a reference would be answered: nil, or why not.
func (eng *Engine) Ready(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	_, _, err := eng.ask(ref)
	return err
}

// Load undoes Unload, and reads what answering needs.
func (eng *Engine) Load(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	h, err := eng.find(ref)
	if err != nil {
		return err
	}
	eng.setUnloaded(h.entry.Name, false)
	_, err = eng.load(h)
	return family.Stored(err)
}

// Unload refuses requests for a name, in all its versions, and lets go of what it
// holds in memory, until Load, a new version, or the next start. Requests under
// way finish. The store is not changed.
func (eng *Engine) Unload(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(ref)
	if err != nil {
		return err
	}
	if name := h.entry.Name; ref != name {
		return Errorf(Conflict, "%q is a version or an alias of model %q, which is unloaded as a whole: give its own name", ref, name)
	}
	eng.setUnloaded(h.entry.Name, true)
	eng.mu.Lock()
	versions := eng.variants[h.entry.Name]
	eng.mu.Unlock()
	own := map[string]int{} // versions, by what they share
	for _, h := range versions {
		h.unpin()
		h.loaded.Store(nil)
		own[h.entry.Digest]++
	}
	for digest, n := range own {
		if eng.store.Uses(digest) == n {
			eng.cache.Drop(digest)
		}
	}
	return nil
}

func (eng *Engine) setUnloaded(name string, unloaded bool) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	if delete(eng.unloaded, name); unloaded {
		eng.unloaded[name] = true
	}
}

// served refuses what was unloaded.
func (eng *Engine) served(h *handle, err error) (*handle, error) {
	if err != nil {
		return nil, err
	}
	eng.mu.Lock()
	defer eng.mu.Unlock()
	if eng.unloaded[h.entry.Name] {
		return nil, Errorf(Unloaded, "model %q was unloaded; POST /v2/repository/models/%[1]s/load loads it", h.entry.Name)
	}
	return h, nil
}
