package runtime

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eigenserve/runtime/internal/teststore"
)

// zooEngine serves the embedded family. Tests don't change its store.
func zooEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	return serve(t, teststore.Zoo(t), o)
}

// TestManyVariantsInFewSlabs makes requests for all variants of the embedded family at once,
// with slabs for a twentieth of them.
func TestManyVariantsInFewSlabs(t *testing.T) {
	const clients, slabs = 16, 10
	requests := int64(2000)
	if race { // decoding takes twenty times as long
		requests = 300
	}
	reference := zooEngine(t, Options{})
	image := picture(1, 32, 32)
	want := map[string]Answer{}
	variants := reference.store.Variants()
	slab := int64(0)
	for _, e := range variants {
		want[e.Name], _ = classify(t, reference, e.Name, image)
		_, l, err := reference.open(e.Name)
		must(err)
		slab = max(slab, l.bytes())
	}

	eng := zooEngine(t, Options{WeightCache: slabs * slab, MaxWait: time.Minute}) // so that a slow machine refuses no request
	var next, answered, most atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := next.Add(1) - 1; i < requests; i = next.Add(1) - 1 {
				name := variants[rand.New(rand.NewPCG(4, uint64(i))).IntN(len(variants))].Name
				a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
				if err != nil {
					t.Errorf("request %d, %s: %v", i, name, err)
					continue
				}
				answered.Add(1)
				if w := want[name]; a.Variant != name || a.Digest != w.Digest || a.Basis != w.Basis || !same(byLabel(a), byLabel(w)) {
					t.Errorf("request %d: %s@%s answers %v, want %s@%s: %v", i, a.Variant, a.Digest, a.Scores, name, w.Digest, w.Scores)
				}
				s := eng.cache.Stats()
				if s.Used > slabs*slab || s.Weights.Entries > slabs {
					t.Errorf("%d slabs take %d bytes, want %d and %d at most", s.Weights.Entries, s.Used, slabs, slabs*slab)
				}
				most.Store(max(most.Load(), int64(s.Weights.Entries)))
			}
		})
	}
	all.Wait()
	n := eng.Counters()
	if answered.Load() != requests || n.Requests != requests || n.Failures != 0 {
		t.Errorf("%d of %d requests were answered: %+v", answered.Load(), requests, n)
	}
	if n.Hits+n.Misses != requests || n.Rebuilds != n.Misses || n.Evictions < n.Misses-slabs {
		t.Errorf("the counters do not add up: %+v", n)
	}
	if most.Load() != slabs || n.Hits == 0 || n.Misses < requests/2 {
		t.Errorf("at most %d slabs were used, want %d, some hits, and misses for half of the requests or more: %+v", most.Load(), slabs, n)
	}
	var hits, rebuilds int64
	list, _ := eng.Variants("", 0)
	for _, v := range list {
		hits, rebuilds = hits+v.Hits, rebuilds+v.Rebuilds
	}
	if hits != n.Hits || rebuilds != n.Rebuilds {
		t.Errorf("the variants have %d hits and %d rebuilds, want those of %+v", hits, rebuilds, n)
	}
	waitIdle(t, eng.cache)
}
