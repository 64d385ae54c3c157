package runtime

import (
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// factorable tells whether a variant can be answered without a rebuild: one
// with exact tensors of layers has weights that no core gives.
func (l *loaded) factorable() bool {
	for i := range l.family.basis.Layers {
		layer := &l.family.basis.Layers[i]
		for _, part := range layer.Parts {
			_, weight := l.variant.Exact[part+".weight"]
			_, bias := l.variant.Exact[part+".bias"]
			if weight || bias {
				return false
			}
		}
	}
	return true
}

// factor decodes a variant into weights that are answered straight from the
// basis: its cores, vectors and heads.
func (f *family) factor(v *store.Variant) (*nn.Weights, error) {
	w := &nn.Weights{Vectors: make([][]float32, len(f.basis.Vectors)),
		Factored: &nn.Factored{Basis: f.layers, Cores: make([]kernel.Core, len(f.layers)), Precision: f.plan.Precision()}}
	for i := range w.Vectors {
		w.Vectors[i] = make([]float32, f.basis.Vectors[i].Len())
	}
	return w, f.read(v, w, func(i int, c kernel.Core) { w.Factored.Cores[i] = c })
}
