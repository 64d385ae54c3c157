package family

import (
	"fmt"

	"gorgonia.org/tensor"

	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// A ReadFunc fills dst with the values of the named tensor. The length of dst is the
// number of the tensor's elements.
type ReadFunc func(name string, dst []float32) error

// Collect runs produce and returns a ReadFunc of the tensors that produce put.
func Collect(produce func(put subspace.Put) error) (ReadFunc, error) {
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

// LoadDense fills a slab with shared tensors that need no basis, such as those of a
// checkpoint, and returns the weights without heads.
func LoadDense(plan *nn.Plan, read ReadFunc, slab []float32) (*nn.Weights, error) {
	if err := plan.Load(slab, read); err != nil {
		return nil, err
	}
	w := plan.Bind(slab)
	return &w, nil
}
