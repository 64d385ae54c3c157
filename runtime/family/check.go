package family

import (
	"math"

	"eigenserve/models/nn"
	"eigenserve/runtime/fault"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// Check returns an error if a variant cannot be served. Anything it finds would make
// every request for the variant fail.
func (f *Family) Check(v *store.Variant) error {
	if err := v.CheckBasis(f.Basis); err != nil {
		return Coded(err)
	}
	if v.Family != f.Name {
		return fault.Errorf(fault.Conflict, "the variant says it is of family %q, but its basis is of %q", v.Family, f.Name)
	}
	if _, err := f.InputOf(v); err != nil {
		return Coded(err)
	}
	if _, err := f.TaskOf(v); err != nil {
		return Coded(err)
	}
	if err := f.checkCoefficients(v); err != nil {
		return fault.With(fault.Invalid, err)
	}
	return f.checkPrivate(v)
}

// checkCoefficients decodes all coefficients of a variant. A step may be any positive
// number, but the coefficients must be finite once they are scaled by it.
func (f *Family) checkCoefficients(v *store.Variant) error {
	finite := func(q []int32) error {
		for _, x := range q {
			if c := float32(float64(x) * v.Step); math.IsInf(float64(c), 0) {
				return fault.Errorf(fault.Invalid, "step %g makes a coefficient of %d infinite", v.Step, x)
			}
		}
		return nil
	}
	return subspace.Visit(f.Basis, v,
		func(_ int, s *rans.Sparse) error { return finite(s.Q) },
		func(_ int, q []int32) error { return finite(q) })
}

// checkPrivate binds a variant's heads, and returns an error for tensors that belong to
// none.
func (f *Family) checkPrivate(v *store.Variant) error {
	known := map[string]bool{}
	for _, p := range f.Plan.Private {
		known[p.Name] = true
	}
	for name := range v.Private {
		if !known[name] {
			return fault.Errorf(fault.Invalid, "tensor %q is not a private tensor of the architecture", name)
		}
	}
	if len(v.Head) > 0 && len(v.Private) > 0 {
		return fault.Errorf(fault.Invalid, "the head is given twice: coded, and as tensors")
	}
	if err := f.BindHeads(new(nn.Weights), v); err != nil {
		return fault.With(fault.Invalid, err)
	}
	return nil
}
