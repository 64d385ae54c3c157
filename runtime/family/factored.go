package family

import (
	"unsafe"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Factor decodes a variant into its factored form: cores that a pass multiplies with the
// directions of the basis, vectors and heads.
func (f *Family) Factor(v *store.Variant) (*nn.Weights, error) {
	w := &nn.Weights{Vectors: make([][]float32, len(f.Basis.Vectors)),
		Factored: &nn.Factored{Basis: f.layers, Cores: make([]kernel.Core, len(f.layers)), Precision: f.Plan.Precision()}}
	for i := range w.Vectors {
		w.Vectors[i] = make([]float32, f.Basis.Vectors[i].Len())
	}
	return w, f.decode(v, w, func(i int, c kernel.Core) { w.Factored.Cores[i] = c })
}

// FactoredLen returns the number of 32-bit values in factored weights, without the basis.
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

// CopyFactored copies factored weights into memory, which has FactoredLen values, and
// returns the copy. The basis is shared.
func CopyFactored(memory []float32, w *nn.Weights) *nn.Weights {
	m := arena{memory}
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

// arena copies slices into one block of memory, one after another.
type arena struct{ rest []float32 }

func (m *arena) floats(v []float32) []float32 {
	if len(v) == 0 {
		return v
	}
	out := m.rest[:copy(m.rest, v):len(v)]
	m.rest = m.rest[len(v):]
	return out
}

func (m *arena) ints(v []int32) []int32 {
	if len(v) == 0 {
		return v
	}
	out := unsafe.Slice((*int32)(unsafe.Pointer(&m.rest[0])), len(v))
	copy(out, v)
	m.rest = m.rest[len(v):]
	return out
}
