package runtime

import (
	"math"

	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
)

// check proves that a variant can be served: what fails here would fail every
// request.
func (f *family) check(v *store.Variant) error {
	if err := v.CheckBasis(f.basis); err != nil {
		return storeError(err)
	}
	if v.Family != f.name {
		return Errorf(Conflict, "the variant says it is of family %q, its basis is of %q", v.Family, f.name)
	}
	if _, err := f.pixels(v); err != nil {
		return storeError(err)
	}
	if err := f.checkCoefficients(v); err != nil {
		return &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	return f.checkPrivate(v)
}

// checkCoefficients decodes the stream to its end. A step may be any positive
// number, but what it makes of the coefficients must be one too.
func (f *family) checkCoefficients(v *store.Variant) error {
	finite := func(q []int32) error {
		for _, x := range q {
			if c := float32(float64(x) * v.Step); math.IsInf(float64(c), 0) {
				return Errorf(Invalid, "step %g makes a coefficient of %d infinite", v.Step, x)
			}
		}
		return nil
	}
	return subspace.Visit(f.basis, v,
		func(_ int, s *rans.Sparse) error { return finite(s.Q) },
		func(_ int, q []int32) error { return finite(q) })
}

// checkPrivate tries the heads on, and refuses what is not part of one.
func (f *family) checkPrivate(v *store.Variant) error {
	known := map[string]bool{}
	for _, p := range f.plan.Private {
		known[p.Name] = true
	}
	for name := range v.Private {
		if !known[name] {
			return Errorf(Invalid, "tensor %q is none of the architecture's private ones", name)
		}
	}
	if len(v.Head) > 0 && len(v.Private) > 0 {
		return Errorf(Invalid, "the head is there twice: coded, and as tensors")
	}
	if err := f.bindHeads(new(nn.Weights), v); err != nil {
		return &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	return nil
}
