package family

import (
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// Reference returns a variant's weights as the mathematics defines them: rebuilt by
// package subspace in double precision, without the kernels that Rebuild uses. Answers
// are checked against them. It takes the memory of one or two dense models.
func (f *Family) Reference(v *store.Variant) (*nn.Weights, error) {
	basis, err := f.OpenBasis()
	if err != nil {
		return nil, err
	}
	defer basis.Close()
	read, err := Collect(func(put subspace.Put) error { return subspace.Rebuild(basis, v, put) })
	if err != nil {
		return nil, err
	}
	w, err := LoadDense(f.Plan, read, make([]float32, f.Plan.SlabLen()))
	if err != nil {
		return nil, err
	}
	return w, f.BindHeads(w, v)
}
