package runtime

import (
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
)

// Decoded coefficients are a small part of a slab and save a cold request the
// reading of its variant's code. The weight cache keeps them, too, outside Go's
// heap, and weighs them against slabs: by what a byte saves.

// decodedRequest returns what the variant's decoded coefficients, so many 32-bit numbers,
// take and save.
func (l *loaded) decodedRequest(numbers int) cache.Request {
	return cache.Request{Kind: cache.Decoded, Key: l.variant.Digest, Pool: l.family.slabs, Size: 4 * int64(numbers), Saves: l.family.costs.decode.Mean}
}

// decode gives a group's weights with nothing rebuilt: from the cache, or
// decoded now, and kept if they are worth the memory.
func (eng *Engine) decode(g *group) (*nn.Weights, error) {
	if g.cores = eng.cache.Lookup(cache.Decoded, g.l.variant.Digest); g.cores != nil {
		return g.cores.Value().(*nn.Weights), nil
	}
	f := g.l.family
	began := time.Now()
	w, err := f.Factor(g.l.variant.Variant)
	if err != nil {
		return nil, err
	}
	g.decoded = time.Since(began)
	f.costs.decode.Observe(g.decoded)
	if r, ok := eng.cache.Reserve(g.l.decodedRequest(family.FactoredLen(w))); ok {
		eng.cache.Fill([]cache.Reservation{r}, func(slabs [][]float32) ([]any, []error) {
			return []any{family.CopyFactored(slabs[0], w)}, []error{nil}
		})
		eng.dropGone(g.h)
	}
	return w, nil
}
