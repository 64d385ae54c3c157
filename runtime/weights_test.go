package runtime

import (
	"context"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

// The coefficients of a variant that is answered factored stay decoded in the cache until
// the variant is replaced or rebuilt.
func TestDecodedCoefficientsAreCached(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	image := picture(1, 8, 8)
	_, l, err := eng.open("m1")
	must(err)
	l.family.costs.rebuild.Observe(time.Hour) // so that no rebuild pays
	answer := func(wantHits int64) map[string]float64 {
		t.Helper()
		_, scores := classify(t, eng, "m1", image)
		if s := eng.cache.Stats(); s.Decoded.Entries != 1 || s.Decoded.Hits != wantHits || s.Weights != (cache.KindStats{}) {
			t.Errorf("the cache has %+v, want one decoded entry with %d hits", s, wantHits)
		}
		return scores
	}
	first := answer(0)
	if second := answer(1); !same(first, second) {
		t.Errorf("from the cache it answers %v, want %v", second, first)
	}
	waitIdle(t, eng.cache)
	putFile(t, eng, "m1", fileOf(t, eng, "m2"))
	if replaced := answer(1); same(first, replaced) {
		t.Error("the version that was replaced answers")
	}
	h, l, err := eng.open("m3")
	must(err)
	classify(t, eng, "m3", image)
	eng.rebuildNow([]promotion{{h: h, l: l}})
	if s := eng.cache.Stats(); s.Weights.Entries != 1 || eng.cache.Contains(cache.Decoded, l.variant.Digest) {
		t.Errorf("after the rebuild of m3 the cache has %+v, want a slab in place of decoded coefficients", s)
	}
	waitIdle(t, eng.cache)
	eng.cache.Drop(l.variant.Digest)
	waitIdle(t, eng.cache)
}

// TestRemovedVariantLeavesNothingInCache decodes and rebuilds a variant for a request that
// found it before it was removed.
func TestRemovedVariantLeavesNothingInCache(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	h, l, err := eng.openForRequest("m1")
	must(err)
	l.family.costs.rebuild.Observe(time.Hour) // so that the request makes no rebuild due
	must(eng.DeleteVariant(context.Background(), "m1"))
	_, _, err = eng.compute(context.Background(), h, l, decoding(l.variant.Input.Image, picture(1, 8, 8)))
	must(err)
	eng.rebuildNow([]promotion{{h: h, l: l}})
	if s := eng.cache.Stats(); s.Weights.Misses != 1 || s.Weights.Entries+s.Decoded.Entries > 0 {
		t.Errorf("the cache has %+v, want no entries after one rebuild", s)
	}
	waitIdle(t, eng.cache)
}
