package runtime

import (
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
)

// Decoded coefficients are a small part of a slab and save a cold request the
// reading of its variant's code. The weight cache keeps them, too, outside Go's
// heap, and weighs them against slabs: by what a byte saves.

// cores are decoded coefficients as the weight cache is asked for them.
func (l *loaded) cores(numbers int) wanted {
	return wanted{digest: l.variant.Digest, pool: &slabPool{bytes: 4 * int64(numbers), single: true, of: l.family.slabs}, cores: true, saves: l.family.costs.decode.mean}
}

// decode gives a group's weights with nothing rebuilt: from the cache, or
// decoded now, and kept if they are worth the memory.
func (eng *Engine) decode(g *group) (*nn.Weights, error) {
	key := coresKey(g.l.variant.Digest)
	if g.cores = eng.cache.ready(key); g.cores != nil {
		return g.cores.value().(*nn.Weights), nil
	}
	f := g.l.family
	began := time.Now()
	w, err := f.Factor(g.l.variant.Variant)
	if err != nil {
		return nil, err
	}
	g.decoded = time.Since(began)
	f.costs.decode.observe(g.decoded)
	if r := eng.cache.reserve(g.l.cores(family.FactoredLen(w))); r != nil {
		eng.cache.fill([]*resident{r}, func(slabs [][]float32) ([]any, []error) {
			return []any{family.CopyFactored(slabs[0], w)}, []error{nil}
		})
		eng.cache.release(r)
		eng.dropGone(g.h)
	}
	return w, nil
}
