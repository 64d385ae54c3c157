package runtime

import (
	"context"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/sched"
)

// readyWeights returns the slab of a request's variant if it has one. Otherwise its inputs
// are answered factored or, if that is not possible, alone in their batch after a rebuild.
func (eng *Engine) readyWeights(r *sched.Request) (slab sched.Lease, alone bool) {
	l := requestOf(r).l
	if slab := eng.cache.Lookup(cache.Weights, l.variant.Digest); slab != nil {
		return slab, false
	}
	return nil, !eng.answersFactored(l)
}

// answersFactored reports whether a variant can answer without rebuilt weights.
func (eng *Engine) answersFactored(l *loaded) bool {
	return eng.options.Factored && l.family.Factorable(l.variant.Variant)
}

// weightsOf returns a group's weights: those in its slab, factored ones, or ones that it
// rebuilds. Only a group that is alone in its batch waits for a slab, so no batch holds
// one while it waits for another.
func (eng *Engine) weightsOf(g *group) (*nn.Weights, error) {
	if g.slab == nil && eng.answersFactored(g.l) {
		return eng.factoredWeights(g)
	}
	if g.slab == nil {
		// Some requests of the group may have been canceled by now; the others have not.
		lease, err := eng.lease(context.Background(), g.h, g.l)
		if err != nil {
			return nil, err
		}
		g.slab = lease
	}
	hits := int64(len(g.inputs))
	g.slab.AddHits(hits - 1)
	if g.slab.Rebuilt() {
		g.h.rebuilds.Add(1)
		hits--
	}
	g.h.hits.Add(hits)
	return g.slab.Value().(*nn.Weights), nil
}

// lease rebuilds a variant's weights unless they are in the cache, and leases them.
func (eng *Engine) lease(ctx context.Context, h *handle, l *loaded) (*cache.Lease, error) {
	lease, err := eng.cache.Acquire(ctx, l.weightsRequest(), func(slab []float32) (any, error) {
		began := time.Now()
		w, err := l.family.rebuild(l.variant.Variant, slab)
		l.family.costs.rebuild.Observe(time.Since(began))
		return w, err
	})
	if err != nil {
		return nil, blameModel(h, err)
	}
	eng.dropRemoved(h)
	return lease, nil
}

// dropRemoved drops what was cached for a variant after it was removed. It goes with its
// last lease.
func (eng *Engine) dropRemoved(h *handle) {
	if h.removed.Load() && eng.store.Uses(h.entry.Digest) == 0 {
		eng.cache.Drop(h.entry.Digest)
	}
}

// weightsRequest returns what the variant's rebuilt weights take and save. A variant that
// cannot be answered without them saves the time of a rebuild.
func (l *loaded) weightsRequest() cache.Request {
	c := &l.family.costs
	saves := func() time.Duration { return c.saving(1, 0) }
	if !l.family.Factorable(l.variant.Variant) {
		saves = c.rebuild.Mean
	}
	return cache.Request{Kind: cache.Weights, Key: l.variant.Digest, Pool: l.family.slabs, HeapBytes: l.variant.HeadBytes, Saves: saves}
}

// factoredWeights returns a group's factored weights: from the cache, or decoded now, and
// cached if they are worth the memory. Decoded coefficients take a small part of a slab
// and save a request the decoding. They compete with slabs by what a byte saves.
func (eng *Engine) factoredWeights(g *group) (*nn.Weights, error) {
	if g.decoded = eng.cache.Lookup(cache.Decoded, g.l.variant.Digest); g.decoded != nil {
		return g.decoded.Value().(*nn.Weights), nil
	}
	f := g.l.family
	began := time.Now()
	w, err := f.Factor(g.l.variant.Variant)
	if err != nil {
		return nil, err
	}
	g.decoding = time.Since(began)
	f.costs.decode.Observe(g.decoding)
	if r, ok := eng.cache.Reserve(g.l.decodedRequest(family.FactoredLen(w))); ok {
		eng.cache.Fill([]cache.Reservation{r}, func(regions [][]float32) ([]any, []error) {
			return []any{family.CopyFactored(regions[0], w)}, []error{nil}
		})
		eng.dropRemoved(g.h)
	}
	return w, nil
}

// decodedRequest returns what the variant's decoded coefficients, n 32-bit numbers, take
// and save.
func (l *loaded) decodedRequest(n int) cache.Request {
	return cache.Request{Kind: cache.Decoded, Key: l.variant.Digest, Pool: l.family.slabs, Size: 4 * int64(n), Saves: l.family.costs.decode.Mean}
}
