package runtime

import (
	"slices"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/code"
	"eigenserve/store/subspace"
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
	err := subspace.Visit(f.basis, v, func(i int, c *code.Sparse) error {
		w.Factored.Cores[i] = kernel.Core{Rights: slices.Clone(c.Rights), Starts: slices.Clone(c.Starts),
			Lefts: slices.Clone(c.Lefts), Values: appendValues(make([]float32, 0, len(c.Q)), c.Q, v.Step)}
		return nil
	}, func(i int, q []int32) error {
		w.Vectors[i] = make([]float32, len(q))
		return f.vector(w.Vectors[i], v, i, q)
	})
	if err != nil {
		return nil, err
	}
	return w, f.bindHeads(w, v)
}
