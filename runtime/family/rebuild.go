package family

import (
	goruntime "runtime"
	"slices"
	"sync"

	"eigenserve/models/nn"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// Rebuild fills a slab with a variant's weights and returns them with the variant's
// heads. It reads the mean, the directions and the core of each layer once. A second
// goroutine decodes the variant a few layers ahead.
func (f *Family) Rebuild(v *store.Variant, slab []float32) (*nn.Weights, error) {
	return f.rebuild(f.decode, f.Plan, v, slab)
}

// RebuildShared is Rebuild without the heads, for a plan of the same architecture that
// may be in another precision.
func (f *Family) RebuildShared(plan *nn.Plan, v *store.Variant, slab []float32) (*nn.Weights, error) {
	return f.rebuild(f.decodeShared, plan, v, slab)
}

// decoder is a function that decodes a variant. It calls layer with each core, in order,
// and writes everything else to w.
type decoder func(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error

// rebuild rebuilds the layers of a variant as decode decodes their cores.
func (f *Family) rebuild(decode decoder, plan *nn.Plan, v *store.Variant, slab []float32) (*nn.Weights, error) {
	defer goruntime.KeepAlive(f)
	const ahead = 4
	w, cores, done := plan.Bind(slab), make(chan kernel.Core, ahead), make(chan error, 1)
	go func() {
		defer close(cores)
		done <- fault.Catch(func() error { return decode(v, &w, func(_ int, c kernel.Core) { cores <- c }) })
	}()
	defer func() { // the decoder writes to the slab, so it must end before rebuild returns
		for range cores {
		}
	}()
	s := scratchPool.Get().(*scratch)
	defer scratchPool.Put(s)
	i := 0
	for core := range cores {
		l := &f.layers[i]
		w.Layers[i].Rebuild(l, &core, s.floats(kernel.RebuildScratch(l, 1)))
		if err := f.putExact(i, &w.Layers[i], v); err != nil {
			return nil, err
		}
		i++
	}
	return &w, <-done
}

// decode is a decoder of the whole variant, heads included.
func (f *Family) decode(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error {
	if err := f.decodeShared(v, w, layer); err != nil {
		return err
	}
	return f.BindHeads(w, v)
}

// decodeShared is a decoder of the shared tensors: layers and vectors.
func (f *Family) decodeShared(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error {
	return subspace.Visit(f.Basis, v, func(i int, c *rans.Sparse) error {
		layer(i, CoreOf(c, v.Step))
		return nil
	}, func(i int, q []int32) error { return f.rebuildVector(w.Vectors[i], v, i, q) })
}

// CoreOf returns a copy of a decoded core with its values scaled by the step.
func CoreOf(c *rans.Sparse, step float64) kernel.Core {
	values := make([]float32, len(c.Q))
	for i, q := range c.Q {
		values[i] = float32(float64(q) * step)
	}
	return kernel.Core{Rights: slices.Clone(c.Rights), Starts: slices.Clone(c.Starts), Lefts: slices.Clone(c.Lefts), Values: values}
}

// rebuildVector sets dst to a variant's i-th vector: to its exact tensor if it has one,
// or else to that of the integers q.
func (f *Family) rebuildVector(dst []float32, v *store.Variant, i int, q []int32) error {
	if t, ok := v.Exact[f.Basis.Vectors[i].Name]; ok {
		return t.Float32(dst)
	}
	f.RebuildVector(i, dst, q, v.Step)
	return nil
}

// RebuildVector sets dst to the i-th vector, mean + scale ⊙ (step·q), of integers q.
func (f *Family) RebuildVector(i int, dst []float32, q []int32, step float64) {
	b := &f.Basis.Vectors[i]
	for k := range q {
		dst[k] = b.Mean[k] + b.Scale[k]*float32(float64(q[k])*step)
	}
}

// scratch is the memory of one rebuild.
type scratch struct{ work []float32 }

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) floats(n int) []float32 {
	if cap(s.work) < n {
		s.work = make([]float32, n)
	}
	return s.work[:n]
}
