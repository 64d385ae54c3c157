package family

import (
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// Factorable reports whether a pass can run on the factored form of a variant. A variant
// with exact tensors in its layers must be rebuilt: no core yields them.
func (f *Family) Factorable(v *store.Variant) bool {
	for i := range f.Basis.Layers {
		for _, part := range f.Basis.Layers[i].Parts {
			_, weight := v.Exact[part+".weight"]
			_, bias := v.Exact[part+".bias"]
			if weight || bias {
				return false
			}
		}
	}
	return true
}

// putExact overwrites the i-th rebuilt layer with the variant's exact tensors of it.
func (f *Family) putExact(i int, d *nn.Dense, v *store.Variant) error {
	if len(v.Exact) == 0 {
		return nil
	}
	l := f.Plan.Layers[i]
	rows, n := l.Shape[0], d.Inputs()
	dense := make([]float32, d.Outputs()*n)
	d.Unpack(dense)
	put := func(t tensorfile.Tensor, ok bool, dst []float32) error {
		if !ok {
			return nil
		}
		return t.Float32(dst)
	}
	for k, part := range l.Parts {
		weight, hasWeight := v.Exact[part+".weight"]
		if err := put(weight, hasWeight, dense[k*rows*n:(k+1)*rows*n]); err != nil {
			return err
		}
		if l.Bias {
			bias, hasBias := v.Exact[part+".bias"]
			if err := put(bias, hasBias, d.Bias[k*rows:(k+1)*rows]); err != nil {
				return err
			}
		}
	}
	d.Pack(dense)
	return nil
}
