package store

import (
	"fmt"
	"math"
	"sort"
)

// Fidelity says how closely a variant reproduces its original. It is measured against the
// original when the variant is made, and stored in the variant's file.
type Fidelity struct {
	// Step is the quantisation step in units of the family's root-mean-square
	// coefficient; 0 means that all shared tensors are exact.
	Step float64 `json:"step"`
	// Energy is the share of the delta's squared norm that the stored form keeps, over
	// all shared tensors: 1 − ‖Ŵ−W‖² / ‖W−M‖², in the metric of the basis if it has one
	// and all directions. Coarse steps keep magnitudes rather than this share, so it may
	// be small or negative while the answers hardly change.
	Energy float64 `json:"energy"`
	// Energies holds the same share of each tensor in the order of the layout: the
	// layers, then the vectors. Their names would take more than the rest of the file.
	Energies []float64 `json:"energies,omitempty"`
	// Bytes divides the variant's bytes by part.
	Bytes PartBytes `json:"bytes"`
	// Measured is what the gate measured; nil in an older file, from before the gate.
	Measured *Measured `json:"measured,omitempty"`
	// Lossy says that the variant did not pass the gate and was stored all the same.
	Lossy bool `json:"lossy,omitempty"`
}

// Answers compares a variant's answers with those of its original to the same images, by
// the measure of the variant's task.
type Answers struct {
	// Agreement is the share of images, from 0 to 1, with the same best label. In a
	// multi-label or binary task it is that of images with the same labels above one half;
	// in a regression, with every output within a quarter of the standard deviation that
	// the original's has over the images.
	Agreement float64 `json:"agreement"`
	// KL is the mean Kullback–Leibler divergence of the label probabilities from the
	// original's, in nats. In a multi-label task it is summed over the labels. In a
	// regression each output stands for a normal distribution with the standard deviation
	// above, so it is the sum of half the squared errors in these units.
	KL float64 `json:"kl"`
	// Logit is the largest change of a logit, less the mean change over its image's
	// logits where that does not change a probability.
	Logit float64 `json:"logit"`
}

// Measured holds a variant's answers to the probe images that the gate used, the gate's
// thresholds, and the null models' answers to compare with.
type Measured struct {
	Answers
	// Task is what the answers were compared as: "multi-label", "binary" or "regression",
	// or "" for labels of which one is right.
	Task string `json:"task,omitempty"`
	// Probes is the digest of the family's probe images, or BuiltInProbes.
	Probes string `json:"probes"`
	// Images is the number of images that were answered: some of the probes, and images
	// combined from them. The head was fitted on others.
	Images int `json:"images"`
	// AtLeast is the lower bound of the agreement, with 95% confidence, that so many
	// images support: see WilsonLowerBound.
	AtLeast float64 `json:"at_least"`
	// Mean is a null model: the family's mean with the variant's own head.
	Mean Answers `json:"mean_only"`
	// Random is another: the delta coded in as many random directions and to as many
	// bytes, with the variant's own head. It is nil in an older file.
	Random *Answers `json:"random_basis,omitempty"`
	// MinAgreement and MaxKL are the thresholds of the gate. Both are 0 if the step was
	// given.
	MinAgreement float64 `json:"min_agreement,omitempty"`
	MaxKL        float64 `json:"max_kl,omitempty"`
}

// Nulls holds the agreements of the null models that a variant is compared with; 0 if
// they were not measured.
type Nulls struct {
	MeanAgreement   float64 `json:"mean_agreement,omitempty"`
	RandomAgreement float64 `json:"random_agreement,omitempty"`
}

func (m *Measured) nulls() Nulls {
	n := Nulls{MeanAgreement: m.Mean.Agreement}
	if m.Random != nil {
		n.RandomAgreement = m.Random.Agreement
	}
	return n
}

// Passes reports whether answers meet the thresholds of a gate.
func (a Answers) Passes(minAgreement, maxKL float64) bool {
	return a.Agreement >= minAgreement && a.KL <= maxKL
}

// WilsonLowerBound returns the lower bound, one-sided at 95%, of a probability that was
// seen as a share of n trials (Wilson 1927). For a share of 1 it is n/(n+z²).
func WilsonLowerBound(share float64, n int) float64 {
	if n < 1 {
		return 0
	}
	const z = 1.6449
	count := float64(n)
	centre := share + z*z/(2*count)
	spread := z * math.Sqrt(share*(1-share)/count+z*z/(4*count*count))
	return max(0, (centre-spread)/(1+z*z/count))
}

// check returns an error for a report that no measurement can give.
func (f *Fidelity) check() error {
	if p := f.Bytes; min(p.Coefficients, p.Private, p.Metadata, p.Source) < 0 {
		return fmt.Errorf("%w: its report counts negative bytes", ErrFormat)
	}
	m := f.Measured
	if m == nil {
		return nil
	}
	if m.Probes != BuiltInProbes && !isDigest(m.Probes) || m.Images < 1 {
		return fmt.Errorf("%w: its report is about %d probe images %q", ErrFormat, m.Images, m.Probes)
	}
	shares := []float64{m.Agreement, m.AtLeast, m.Mean.Agreement}
	if m.Random != nil {
		shares = append(shares, m.Random.Agreement)
	}
	for _, share := range shares {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%w: its report holds an agreement of %g", ErrFormat, share)
		}
	}
	return nil
}

// TensorFidelity is the share of one tensor's delta energy that is kept.
type TensorFidelity struct {
	Name   string  `json:"name"`
	Energy float64 `json:"energy"`
}

// Worst returns the shares of all tensors, lowest first, or nil if the report belongs to
// another layout.
func (f Fidelity) Worst(l Layout) []TensorFidelity {
	if len(f.Energies) != l.Tensors() {
		return nil
	}
	var out []TensorFidelity
	for i, x := range l.Layers {
		out = append(out, TensorFidelity{x.Name, f.Energies[i]})
	}
	for i, x := range l.Vectors {
		out = append(out, TensorFidelity{x.Name, f.Energies[len(l.Layers)+i]})
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Energy < out[b].Energy })
	return out
}

// PartBytes divides a variant's bytes into the coded stream with its gains, the private
// tensors and the rest of the file. Source is the size of the original's tensors.
type PartBytes struct {
	Coefficients int64 `json:"coefficients"`
	Private      int64 `json:"private"`
	Metadata     int64 `json:"metadata"`
	Source       int64 `json:"source"`
}
