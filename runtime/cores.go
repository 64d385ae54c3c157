package runtime

import (
	"time"
	"unsafe"

	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/kernel"
)

// Decoded coefficients are a small part of a slab and save a cold request the
// reading of its variant's code. The weight cache keeps them, too, outside Go's
// heap, and weighs them against slabs: by what a byte saves.

// decodedRequest returns what the variant's decoded coefficients, so many 32-bit numbers,
// take and save.
func (l *loaded) decodedRequest(numbers int) cache.Request {
	return cache.Request{Kind: cache.Decoded, Key: l.variant.Digest, Pool: l.family.slabs, Size: 4 * int64(numbers), Saves: l.family.costs.decode.mean}
}

// decode gives a group's weights with nothing rebuilt: from the cache, or
// decoded now, and kept if they are worth the memory.
func (eng *Engine) decode(g *group) (*nn.Weights, error) {
	if g.cores = eng.cache.Lookup(cache.Decoded, g.l.variant.Digest); g.cores != nil {
		return g.cores.Value().(*nn.Weights), nil
	}
	f := g.l.family
	began := time.Now()
	w, err := f.factor(g.l.variant)
	if err != nil {
		return nil, err
	}
	g.decoded = time.Since(began)
	f.costs.decode.observe(g.decoded)
	if r, ok := eng.cache.Reserve(g.l.decodedRequest(ownLen(w))); ok {
		eng.cache.Fill([]cache.Reservation{r}, func(slabs [][]float32) ([]any, []error) {
			return []any{settle(w, slabs[0])}, []error{nil}
		})
		eng.dropGone(g.h)
	}
	return w, nil
}

// ownLen is how many 32-bit numbers factored weights have that are the variant's
// own.
func ownLen(w *nn.Weights) (n int) {
	for i := range w.Factored.Cores {
		c := &w.Factored.Cores[i]
		n += len(c.Rights) + len(c.Starts) + len(c.Lefts) + len(c.Values)
	}
	for _, v := range w.Vectors {
		n += len(v)
	}
	for i := range w.Heads {
		n += len(w.Heads[i].F32.Panels) + len(w.Heads[i].Bias)
	}
	return n
}

// settle copies factored weights to where ownLen of them is room.
func settle(w *nn.Weights, room []float32) *nn.Weights {
	floats := func(v []float32) []float32 {
		if len(v) == 0 {
			return v
		}
		piece := room[:copy(room, v):len(v)]
		room = room[len(v):]
		return piece
	}
	ints := func(v []int32) []int32 {
		if len(v) == 0 {
			return v
		}
		piece := unsafe.Slice((*int32)(unsafe.Pointer(&room[0])), len(v))
		copy(piece, v)
		room = room[len(v):]
		return piece
	}
	f := *w.Factored
	f.Cores = make([]kernel.Core, len(w.Factored.Cores))
	out := &nn.Weights{Factored: &f, Vectors: make([][]float32, len(w.Vectors)), Heads: make([]nn.Dense, len(w.Heads))}
	for i, c := range w.Factored.Cores {
		f.Cores[i] = kernel.Core{Rights: ints(c.Rights), Starts: ints(c.Starts), Lefts: ints(c.Lefts), Values: floats(c.Values)}
	}
	for i, v := range w.Vectors {
		out.Vectors[i] = floats(v)
	}
	for i, d := range w.Heads {
		d.F32.Panels, d.Bias = floats(d.F32.Panels), floats(d.Bias)
		out.Heads[i] = d
	}
	return out
}
