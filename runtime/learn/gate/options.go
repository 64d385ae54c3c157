package gate

import (
	"math"

	"eigenserve/models/output"
	"eigenserve/runtime/fault"
	"eigenserve/store"
)

// Options say how closely a variant must answer as its original does, and in how many
// bytes. The zero value of each field means its default.
type Options struct {
	// MinAgreement is the least share of the held-out images that must be answered as the
	// original does: DefaultMinAgreement. A negative value asks for nothing. What counts
	// as the same answer depends on the task: see store.Answers.
	MinAgreement float64
	// MaxKL is the largest mean divergence from the original's answers to them, in nats:
	// see store.Answers. The default is DefaultShare of what the family's mean diverges
	// from its members, which is how far answers lie apart in this family. If the family
	// was measured for another task, it is that share of what the mean diverges from this
	// checkpoint. For single-label models it is multiplied by the leniency of the head, and
	// a family of one member, or of copies, which has no such measure, uses defaultMaxKL.
	// For other tasks it is at least leastMaxKL, and for regressions at most
	// maxRegressionKL for each output.
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
	// leastMaxKL is the least default of other tasks than single-label ones: scores that
	// are 0.02 off, or outputs that are 0.04 standard deviations off.
	leastMaxKL = 0.001
	// maxRegressionKL allows the outputs of a regression a mean squared error of 1% of
	// their variance over the images: a root-mean-square error of a tenth of a standard
	// deviation.
	maxRegressionKL = 0.005
)

// withDefaults returns the options with their defaults, but for MaxKL, for a variant whose
// tensors take float16 bytes in that type.
func (o Options) withDefaults(float16 int64) Options {
	if o.MinAgreement == 0 {
		o.MinAgreement = DefaultMinAgreement
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = float16 / 2
	}
	return o
}

// defaultMaxKL returns the default of Options.MaxKL for the checkpoint, in a family of
// the given basis.
func (t *trial) defaultMaxKL(b *store.Basis) (float64, error) {
	divergence := b.Divergence
	if output.Task(b.DivergenceTask).Function() != t.task.Function() {
		mean, err := t.meanOnly()
		if err != nil {
			return 0, err
		}
		divergence = mean.KL
	}
	most := DefaultShare * divergence
	switch t.task {
	case output.SingleLabel:
		if divergence < minDivergence {
			most = defaultMaxKL
		}
		most *= leniency(t.head, t.labels, t.inputs())
	case output.Regression:
		most = max(leastMaxKL, min(most, maxRegressionKL*float64(t.labels)))
	default:
		most = max(leastMaxKL, most)
	}
	return Round(most), nil
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
