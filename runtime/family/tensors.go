package family

import (
	"fmt"

	"gorgonia.org/tensor"

	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// Read fills dst, which has the length of the named tensor's shape, with the tensor's
// values.
type Read func(name string, dst []float32) error

// Collect runs produce and returns a Read of the tensors that it put.
func Collect(produce func(put subspace.Put) error) (Read, error) {
	tensors := map[string]*tensor.Dense{}
	if err := produce(func(name string, t *tensor.Dense) { tensors[name] = t }); err != nil {
		return nil, err
	}
	return func(name string, dst []float32) error {
		t, ok := tensors[name]
		if !ok || copy(dst, t.Float32s()) != len(dst) {
			return fmt.Errorf("tensor %q is missing", name)
		}
		return nil
	}, nil
}

// LoadDense fills a slab with the shared tensors of a dense checkpoint, with no basis
// in between, and returns the weights without heads.
func LoadDense(plan *nn.Plan, read Read, slab []float32) (*nn.Weights, error) {
	if err := plan.Load(slab, read); err != nil {
		return nil, err
	}
	w := plan.Bind(slab)
	return &w, nil
}
