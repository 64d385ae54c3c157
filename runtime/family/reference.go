package family

import (
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// Reference returns a variant's weights as the mathematics defines them: dense tensors
// rebuilt by package subspace in double precision, without the kernels that rebuild.
// Servers' answers are checked against them. They take as much memory as one or two
// dense models.
func (f *Family) Reference(v *store.Variant) (*nn.Weights, error) {
	basis, err := f.Whole()
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
