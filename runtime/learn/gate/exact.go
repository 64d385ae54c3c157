package gate

import (
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// exactVariant returns a variant that keeps every tensor unchanged. Its coefficients are
// all zero.
func exactVariant(f *family.Family, s family.Source, p *subspace.Projector) (*store.Variant, error) {
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}, Exact: map[string]tensorfile.Tensor{}}
	if err := codeMean(v, p.Basis()); err != nil {
		return nil, err
	}
	v.Fidelity.Energy, v.Fidelity.Bytes.Coefficients = 1, int64(len(v.Coefficients)+len(v.Gains))
	for _, spec := range f.Plan.Specs() {
		t, ok := s.Tensor(spec.Name)
		if !ok {
			return nil, missingTensor(s, spec.Name)
		}
		v.Exact[spec.Name] = t
	}
	for _, private := range f.Plan.Private {
		v.Private[private.Name] = v.Exact[private.Name]
		delete(v.Exact, private.Name)
	}
	return v, nil
}

// codeMean sets a variant's coefficients to zero, which rebuilds to the family's mean.
func codeMean(v *store.Variant, b *store.Basis) error {
	var layers, vectors [][]int32
	for i := range b.Layers {
		p, q := b.Layers[i].Directions()
		layers = append(layers, make([]int32, p*q))
	}
	for i := range b.Vectors {
		vectors = append(vectors, make([]int32, b.Vectors[i].Len()))
	}
	v.Step = 1
	return subspace.EncodeIntegers(v, b, layers, vectors)
}

// missingTensor returns the error for a tensor that a checkpoint does not have.
func missingTensor(s family.Source, tensor string) error {
	return fault.Errorf(fault.Invalid, "checkpoint %q: tensor %q is missing", s.Name(), tensor)
}
