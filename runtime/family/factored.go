package family

import (
	"unsafe"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Factor decodes a variant into weights that a pass reads straight from the basis: the
// variant's cores, vectors and heads.
func (f *Family) Factor(v *store.Variant) (*nn.Weights, error) {
	w := &nn.Weights{Vectors: make([][]float32, len(f.Basis.Vectors)),
		Factored: &nn.Factored{Basis: f.layers, Cores: make([]kernel.Core, len(f.layers)), Precision: f.Plan.Precision()}}
	for i := range w.Vectors {
		w.Vectors[i] = make([]float32, f.Basis.Vectors[i].Len())
	}
	return w, f.read(v, w, func(i int, c kernel.Core) { w.Factored.Cores[i] = c })
}

// FactoredLen returns how many 32-bit numbers of factored weights belong to the
// variant alone.
func FactoredLen(w *nn.Weights) (n int) {
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

// CopyFactored copies factored weights into memory of FactoredLen numbers and returns
// the weights that lie there.
func CopyFactored(memory []float32, w *nn.Weights) *nn.Weights {
	m := carver{memory}
	f := *w.Factored
	f.Cores = make([]kernel.Core, len(w.Factored.Cores))
	out := &nn.Weights{Factored: &f, Vectors: make([][]float32, len(w.Vectors)), Heads: make([]nn.Dense, len(w.Heads))}
	for i, c := range w.Factored.Cores {
		f.Cores[i] = kernel.Core{Rights: m.ints(c.Rights), Starts: m.ints(c.Starts), Lefts: m.ints(c.Lefts), Values: m.floats(c.Values)}
	}
	for i, v := range w.Vectors {
		out.Vectors[i] = m.floats(v)
	}
	for i, d := range w.Heads {
		d.F32.Panels, d.Bias = m.floats(d.F32.Panels), m.floats(d.Bias)
		out.Heads[i] = d
	}
	return out
}

// carver copies slices one behind the other into memory.
type carver struct{ rest []float32 }

func (m *carver) floats(v []float32) []float32 {
	if len(v) == 0 {
		return v
	}
	piece := m.rest[:copy(m.rest, v):len(v)]
	m.rest = m.rest[len(v):]
	return piece
}

func (m *carver) ints(v []int32) []int32 {
	if len(v) == 0 {
		return v
	}
	piece := unsafe.Slice((*int32)(unsafe.Pointer(&m.rest[0])), len(v))
	copy(piece, v)
	m.rest = m.rest[len(v):]
	return piece
}
