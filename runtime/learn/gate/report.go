package gate

import (
	"math"

	"eigenserve/models/output"
	"eigenserve/runtime/fault"
	"eigenserve/store"
)

// refusal returns the error for a checkpoint that does not pass. x is the finest candidate
// that fits in the allowed bytes, nil if none does.
func (t *trial) refusal(x *candidate, o Options) error {
	if x == nil {
		return fault.Errorf(fault.Refused, "checkpoint %q does not fit in %d bytes at any step; raise --variant-budget", t.source.Name(), o.MaxBytes)
	}
	return fault.Errorf(fault.Refused, "checkpoint %q is refused: its finest variant within %d bytes (step %.3g) "+t.kept()+"; "+
		"%.2f%% and %.3g are required. Raise --variant-budget, or store it all the same with --allow-lossy or --exact",
		t.source.Name(), o.MaxBytes, x.variant.Fidelity.Step, 100*x.answers.Agreement, t.images.heldOut, x.answers.KL, 100*max(0, o.MinAgreement), o.MaxKL)
}

// kept returns the format of a sentence about an agreement in percent, a number of images
// and a divergence, in the terms of the measure.
func (t *trial) kept() string {
	switch t.task {
	case output.MultiLabel, output.Binary:
		return "keeps the same labels above one half on %.2f%% of %d images, with a mean KL divergence, summed over labels, of %.3g"
	case output.Regression:
		return "keeps every output within a quarter of its standard deviation on %.2f%% of %d images, " +
			"with a mean divergence (half the squared error in standard deviations, summed over outputs) of %.3g"
	}
	return "keeps %.2f%% of its best labels on %d images, with a mean KL divergence of %.3g"
}

// report adds what was measured to a candidate's variant. It must be the last call on a
// trial: randomDirections overwrites the coefficients.
func (t *trial) report(x *candidate, o Options, probes string) error {
	mean, err := t.meanOnly()
	if err != nil {
		return err
	}
	random, err := t.randomDirections(len(x.variant.Coefficients))
	if err != nil {
		return err
	}
	for _, v := range []float64{x.answers.KL, x.answers.Logit, mean.KL, mean.Logit, random.KL, random.Logit} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.Errorf(fault.Refused, "checkpoint %q is refused: at step %g its answers to probe images are not finite", t.source.Name(), x.variant.Fidelity.Step)
		}
	}
	r := &store.Measured{Answers: x.answers, Task: string(t.task), Probes: probes, Images: t.images.heldOut, Mean: mean, Random: &random}
	r.AtLeast = Round(store.WilsonLowerBound(r.Agreement, r.Images))
	if o.Step == 0 {
		r.MinAgreement, r.MaxKL = max(0, o.MinAgreement), o.MaxKL
	}
	x.variant.Fidelity.Measured = r
	return nil
}
