package gate

import (
	"math"

	"eigenserve/runtime/fault"
)

// Options say how closely a variant must answer as its original does, and in how many
// bytes. The zero value of each field means its default.
type Options struct {
	// MinAgreement is the least share of the held-out images whose best label must be the
	// original's, DefaultMinAgreement by default. A negative value requires none.
	MinAgreement float64
	// MaxKL is the largest mean divergence from the original's probabilities on these
	// images, in nats. The default is DefaultShare of the divergence of the family's mean
	// from its members, which shows how far answers are apart in this family, times the
	// leniency of the head. A family of one member, or of copies, has no such measure;
	// its default is defaultMaxKL times the leniency.
	MaxKL float64
	// MaxBytes is the largest size of a variant without its metadata, by default half of
	// what its tensors take in float16.
	MaxBytes int64
	// AllowLossy accepts a checkpoint that cannot pass in MaxBytes, at the finest step
	// that fits. The variant is marked lossy permanently.
	AllowLossy bool
	// Refine moves the coefficients towards the original's answers before they are
	// rounded. It saves a fifth of the bytes at equal answers, and takes about a hundred
	// more passes.
	Refine bool
	// Step, if positive, replaces the search: the quantisation step in units of the
	// family's root-mean-square coefficient.
	Step float64
	// Exact keeps every tensor bit for bit, without a gate.
	Exact bool
}

// Defaults of Options, chosen by their results on test models. The agreement is measured
// on images that are harder than those a model is for.
const (
	DefaultMinAgreement = 0.75
	DefaultShare        = 0.092
	// defaultMaxKL is for families whose mean diverges by less than minDivergence, or was
	// not measured when they were fitted. A mean that answers as its members do, up to
	// rounding, would make a limit that only an exact copy meets.
	defaultMaxKL  = 0.008
	minDivergence = 0.001
)

// withDefaults returns the options with their defaults, for a variant whose tensors take
// float16 bytes in that type and a family whose mean diverges by divergence.
func (o Options) withDefaults(float16 int64, divergence, leniency float64) Options {
	if o.MinAgreement == 0 {
		o.MinAgreement = DefaultMinAgreement
	}
	switch {
	case o.MaxKL == 0 && divergence >= minDivergence:
		o.MaxKL = Round(DefaultShare * divergence * leniency)
	case o.MaxKL == 0:
		o.MaxKL = Round(defaultMaxKL * leniency)
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
