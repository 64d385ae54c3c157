package runtime

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eigenserve/store"
	"eigenserve/store/zoo"
)

// zooStore holds the embedded family, made once; tests don't change it.
var zooStore = sync.OnceValue(func() string {
	s, err := store.Create(filepath.Join(folder(), "store"))
	must(err)
	_, err = zoo.Install(s)
	must(err)
	return s.Dir()
})

func zooEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	return serve(t, reopen(t, zooStore()), o)
}

// TestServesManyFromFewSlabs asks all variants of the embedded family at once,
// with room for a twentieth of them.
func TestServesManyFromFewSlabs(t *testing.T) {
	const clients, slabs = 16, 10
	requests := int64(2000)
	if race { // which slows decoding down twentyfold
		requests = 300
	}
	all := zooEngine(t, Options{})
	image := picture(1, 32, 32)
	want := map[string]Answer{}
	variants := all.store.Variants()
	slab := int64(0)
	for _, e := range variants {
		want[e.Name], _ = classify(t, all, e.Name, image)
		_, l, err := all.open(e.Name)
		must(err)
		slab = max(slab, l.bytes())
	}

	eng := zooEngine(t, Options{WeightCache: slabs * slab, MaxWait: time.Minute}) // a slow machine refuses none
	var next, answered, most atomic.Int64
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
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
					t.Errorf("%d slabs of %d bytes, the budget is %d of %d", s.Weights.Entries, s.Used, slabs, slabs*slab)
				}
				most.Store(max(most.Load(), int64(s.Weights.Entries)))
			}
		})
	}
	wait.Wait()
	n := eng.Counters()
	if answered.Load() != requests || n.Requests != requests || n.Failures != 0 {
		t.Errorf("%d of %d answered: %+v", answered.Load(), requests, n)
	}
	if n.Hits+n.Misses != requests || n.Rebuilds != n.Misses || n.Evictions < n.Misses-slabs {
		t.Errorf("the counts do not add up: %+v", n)
	}
	if most.Load() != slabs || n.Hits == 0 || n.Misses < requests/2 {
		t.Errorf("not the load that it was to be: %d slabs at most, %+v", most.Load(), n)
	}
	var hits, rebuilds int64
	list, _ := eng.Variants("", 0)
	for _, v := range list {
		hits, rebuilds = hits+v.Hits, rebuilds+v.Rebuilds
	}
	if hits != n.Hits || rebuilds != n.Rebuilds {
		t.Errorf("the variants count %d hits and %d rebuilds, the engine %+v", hits, rebuilds, n)
	}
	quiet(t, eng.cache)
}
