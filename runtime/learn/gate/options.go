package gate

import (
	"math"

	"eigenserve/runtime/fault"
)

// Options say how much of its original's answers a variant must keep, and in how many
// bytes. The zero value of each field means its default.
type Options struct {
	// MinAgreement is the least share of the judged images whose best label must be the
	// original's: DefaultMinAgreement. A negative value asks for nothing.
	MinAgreement float64
	// MaxKL is the largest mean divergence from the original's probabilities on them, in
	// nats. The default is DefaultShare of what the family's mean diverges from its
	// members, which is how far answers lie apart in this family, times the leniency of
	// the head. A family of one member, or of copies, has no such measure and uses
	// defaultMaxKL.
	MaxKL float64
	// MaxBytes is the largest size of the variant's file: half of what its tensors take
	// in float16.
	MaxBytes int64
	// AllowLossy stores what cannot pass in MaxBytes in the best form that fits. The
	// variant is marked lossy for good.
	AllowLossy bool
	// Refine moves the coefficients towards the original's answers before they are
	// rounded. It saves a fifth of the bytes at the same answers, for about a hundred
	// more passes.
	Refine bool
	// Step, if positive, replaces the search: the quantisation step in units of the
	// family's root-mean-square coefficient.
	Step float64
	// Exact keeps every tensor bit for bit, without a gate.
	Exact bool
}

// Defaults of Options, chosen by their results on held-out images. The agreement is
// measured on images that are harder than a model's own.
const (
	DefaultMinAgreement = 0.75
	DefaultShare        = 0.092
	// defaultMaxKL is for families whose mean was not measured when they were fitted, or
	// diverges by less than minDivergence. In the latter the mean answers as the members
	// do up to rounding, and a share of that would be a limit that only an exact copy
	// keeps.
	defaultMaxKL  = 0.008
	minDivergence = 0.001
)

// withDefaults completes the options for a variant that takes the given bytes in
// float16, whose head has the given leniency, in a family whose mean diverges by the
// given amount.
func (o Options) withDefaults(float16 int64, divergence, leniency float64) Options {
	if o.MinAgreement == 0 {
		o.MinAgreement = DefaultMinAgreement
	}
	switch {
	case o.MaxKL == 0 && divergence >= minDivergence:
		o.MaxKL = Digits(DefaultShare * divergence * leniency)
	case o.MaxKL == 0:
		o.MaxKL = Digits(defaultMaxKL * leniency)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = float16 / 2
	}
	return o
}

// Check returns an error for options that no variant could satisfy.
func (o Options) Check() error {
	switch {
	case o.MinAgreement > 1 || math.IsNaN(o.MinAgreement):
		return fault.Errorf(fault.Invalid, "the gate's minimum agreement must be at most 1, not %g", o.MinAgreement)
	case o.MaxKL < 0 || math.IsNaN(o.MaxKL):
		return fault.Errorf(fault.Invalid, "the gate's maximum KL divergence must be positive, not %g", o.MaxKL)
	case o.MaxBytes < 0:
		return fault.Errorf(fault.Invalid, "the gate's variant budget must be positive, not %d bytes", o.MaxBytes)
	case o.Step < 0 || math.IsNaN(o.Step) || math.IsInf(o.Step, 0):
		return fault.Errorf(fault.Invalid, "a step must be a positive number, not %g", o.Step)
	case o.Step > 0 && o.Exact:
		return fault.Errorf(fault.Invalid, "a step and exact tensors exclude each other")
	}
	return nil
}
