package runtime

import (
	"context"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

// TestDecodedCoefficientsAreKept has a variant answered cold twice, replaced, and
// rebuilt.
func TestDecodedCoefficientsAreKept(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	image := picture(1, 8, 8)
	_, l, err := eng.open("m1")
	must(err)
	l.family.costs.rebuild.Observe(time.Hour) // so that nothing earns one
	ask := func(wantCores int, wantHits int64) map[string]float64 {
		t.Helper()
		_, scores := classify(t, eng, "m1", image)
		if s := eng.cache.Stats(); s.Decoded.Entries != wantCores || s.Decoded.Hits != wantHits || s.Weights != (cache.KindStats{}) {
			t.Errorf("not %d decoded, found %d times: %+v", wantCores, wantHits, s)
		}
		return scores
	}
	first := ask(1, 0)
	if second := ask(1, 1); !same(first, second) {
		t.Errorf("decoded anew it answers %v, from what was kept %v", first, second)
	}
	quiet(t, eng.cache)
	if _, _, err := eng.PutVariant(context.Background(), "m1", fileOf(t, eng, "m2")); err != nil {
		t.Fatal(err)
	}
	if replaced := ask(1, 1); same(first, replaced) {
		t.Error("the replaced one answers")
	}
	h, l, err := eng.open("m3")
	must(err)
	classify(t, eng, "m3", image)
	eng.rebuildNow([]promotion{{h: h, l: l}})
	if s := eng.cache.Stats(); s.Weights.Entries != 1 || eng.cache.Contains(cache.Decoded, l.variant.Digest) {
		t.Errorf("with a slab the decoded ones are still there: %+v", s)
	}
	quiet(t, eng.cache)
	eng.cache.Drop(l.variant.Digest)
	quiet(t, eng.cache)
}

// TestLateAnswersOfARemovedVariantLeaveNothing answers, decodes and rebuilds for a
// request that found a variant before it was removed.
func TestLateAnswersOfARemovedVariantLeaveNothing(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	h, l, err := eng.openForRequest("m1")
	must(err)
	l.family.costs.rebuild.Observe(time.Hour) // so that no rebuild is due by itself
	must(eng.DeleteVariant(context.Background(), "m1"))
	_, _, err = eng.compute(context.Background(), h, l, decoding(l.variant.Input.Image, picture(1, 8, 8)))
	must(err)
	eng.rebuildNow([]promotion{{h: h, l: l}})
	if s := eng.cache.Stats(); s.Weights.Misses != 1 || s.Weights.Entries+s.Decoded.Entries > 0 {
		t.Errorf("of one slab that was rebuilt and what was decoded is left: %+v", s)
	}
	quiet(t, eng.cache)
}
