package store

import (
	"fmt"
	"math"
	"sort"
)

// Fidelity says how well a variant answers as its original does. It is
// measured when the variant is made, from the original, and kept in its file.
type Fidelity struct {
	// Step is the quantisation step in units of the family's
	// root-mean-square coefficient; 0 means exact tensors.
	Step float64 `json:"step"`
	// Energy is the share of the delta's squared norm that the stored form
	// keeps, over all shared tensors: 1 − ‖Ŵ−W‖² / ‖W−M‖², in the basis's
	// metric where it has one and all directions. Coarse steps keep magnitudes rather than this
	// share, which may then be small or below zero and the answers the same.
	Energy float64 `json:"energy"`
	// Energies holds the same share of each tensor, in the basis's order: the
	// layers, then the vectors. Names would take more than the rest of the file.
	Energies []float64 `json:"energies,omitempty"`
	// Bytes of the variant by part.
	Bytes PartBytes `json:"bytes"`
	// Measured is what the gate found; nil in a file from before there was one.
	Measured *Measured `json:"measured,omitempty"`
	// Lossy says that the variant did not pass the gate and was wanted all the same.
	Lossy bool `json:"lossy,omitempty"`
}

// Answers compares answers with the original's on the same images.
type Answers struct {
	// Agreement is how often the best label is the original's, from 0 to 1.
	Agreement float64 `json:"agreement"`
	// KL is the mean Kullback–Leibler divergence of the labels' probabilities
	// from the original's, in nats.
	KL float64 `json:"kl"`
	// Logit is the largest change of a logit, each image's mean change taken
	// off, which no probability shows.
	Logit float64 `json:"logit"`
}

// Measured is a variant's answers to the probe images that the gate looked at,
// what it asked of them, and the nulls beside it.
type Measured struct {
	Answers
	// Probes are the digest of the family's probe images, or BuiltInProbes.
	Probes string `json:"probes"`
	// Images is how many the answers are of: some of the probes, and images cut
	// together from them. The head was fitted on others.
	Images int `json:"images"`
	// AtLeast is the agreement that so many images speak for with 95% confidence
	// (Wilson's lower bound, one-sided).
	AtLeast float64 `json:"at_least"`
	// Mean is a null: the family's mean with the variant's own head.
	Mean Answers `json:"mean_only"`
	// Random is another: as many random directions coded to as many bytes, with the
	// variant's own head; nil in a file from before it was measured.
	Random *Answers `json:"random_basis,omitempty"`
	// MinAgreement and MaxKL are what the gate asked for; both are 0 where the
	// step was given.
	MinAgreement float64 `json:"min_agreement,omitempty"`
	MaxKL        float64 `json:"max_kl,omitempty"`
}

// Nulls are the agreements of what a variant's is beside in its report, 0 where
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

// Passes tells whether answers are as good as is asked for.
func (a Answers) Passes(minAgreement, maxKL float64) bool {
	return a.Agreement >= minAgreement && a.KL <= maxKL
}

// WilsonLowerBound is Wilson's lower bound of a share that was seen in n tries, one-sided
// at 95% (Wilson 1927): where the share is 1, n/(n+z²).
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

// check refuses a report that no measurement gives.
func (f *Fidelity) check() error {
	if p := f.Bytes; min(p.Coefficients, p.Private, p.Metadata, p.Source) < 0 {
		return fmt.Errorf("%w: its report counts negative bytes", ErrFormat)
	}
	m := f.Measured
	if m == nil {
		return nil
	}
	if m.Probes != BuiltInProbes && !isDigest(m.Probes) || m.Images < 1 {
		return fmt.Errorf("%w: its report is of %d probe images %q", ErrFormat, m.Images, m.Probes)
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

// TensorFidelity is one tensor's share of the delta's energy that is kept.
type TensorFidelity struct {
	Name   string  `json:"name"`
	Energy float64 `json:"energy"`
}

// Worst names the tensors' shares, worst first; none if the report is of another
// layout.
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

// PartBytes divides a variant's bytes: the coded stream with its gains, the
// private tensors and the rest of the file. Source is what the original
// checkpoint's tensors took.
type PartBytes struct {
	Coefficients int64 `json:"coefficients"`
	Private      int64 `json:"private"`
	Metadata     int64 `json:"metadata"`
	Source       int64 `json:"source"`
}
