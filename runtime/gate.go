package runtime

import (
	"fmt"
	"math"
)

// Gate says what a variant has to keep of its original's answers, and in how
// many bytes at most. The zero value of each means its default.
type Gate struct {
	// MinAgreement is the least share of the judged images whose best label is
	// the original's, DefaultMinAgreement; a negative one asks for nothing.
	MinAgreement float64
	// MaxKL is the largest mean divergence on them, by default DefaultShare of
	// what the family's mean alone diverges from its members: how far apart answers
	// are that differ as little differs from family to family. A head whose labels
	// look alike is allowed less, one whose don't more: see leniency. A family of
	// one, or of copies, says nothing of that: plainMaxKL is in its place.
	MaxKL float64
	// MaxBytes is how large the variant's file may be: half of what its tensors
	// take in float16.
	MaxBytes int64
	// AllowLossy stores what can't pass in MaxBytes as the best that fits, and
	// the variant says so for ever.
	AllowLossy bool
	// Refine moves the coefficients towards the original's answers before they are
	// rounded: a fifth fewer bytes at the same answers, for some hundred passes
	// more.
	Refine bool
	// Step, where it is positive, is taken in the place of the largest that
	// passes, in units of the family's root-mean-square coefficient.
	Step float64
	// Exact keeps every tensor bit for bit, with no gate to pass.
	Exact bool
}

// What a gate asks for where nothing else is said. Chosen by what they yield on
// held-out images. The agreement is on images that are harder than a model's own.
const (
	DefaultMinAgreement = 0.75
	DefaultShare        = 0.092
	// plainMaxKL is for families whose mean wasn't measured when they were fitted,
	// or diverges by less than leastDivergence: the mean then answers as the members
	// do, but for its rounding, and a share of that is a limit that nothing but an
	// exact copy keeps, nor any fine-tune that is added later.
	plainMaxKL      = 0.008
	leastDivergence = 0.001
)

// withDefaults completes a gate for a variant of so many bytes in float16 and a
// head of some leniency, of a family whose mean diverges so far.
func (g Gate) withDefaults(float16 int64, divergence, leniency float64) Gate {
	if g.MinAgreement == 0 {
		g.MinAgreement = DefaultMinAgreement
	}
	switch {
	case g.MaxKL == 0 && divergence >= leastDivergence:
		g.MaxKL = digits(DefaultShare * divergence * leniency)
	case g.MaxKL == 0:
		g.MaxKL = digits(plainMaxKL * leniency)
	}
	if g.MaxBytes == 0 {
		g.MaxBytes = float16 / 2
	}
	return g
}

// check refuses what no variant could be held to.
func (g Gate) check() error {
	switch {
	case g.MinAgreement > 1 || g.MinAgreement != g.MinAgreement:
		return Errorf(Invalid, "a gate's least agreement is at most 1, not %g", g.MinAgreement)
	case g.MaxKL < 0 || g.MaxKL != g.MaxKL:
		return Errorf(Invalid, "a gate's largest KL divergence is positive, not %g", g.MaxKL)
	case g.MaxBytes < 0:
		return Errorf(Invalid, "a gate's most bytes are positive, not %d", g.MaxBytes)
	case g.Step < 0 || g.Step != g.Step || math.IsInf(g.Step, 0):
		return fmt.Errorf("%w", Errorf(Invalid, "a step is a positive number, not %g", g.Step))
	case g.Step > 0 && g.Exact:
		return Errorf(Invalid, "a step and exact tensors exclude each other")
	}
	return nil
}

// A search goes over steps of eighths of an octave.
const (
	perOctave  = 8
	finestStep = -4 * perOctave // 1/16
	mostSteps  = 6 * perOctave  // 64
	firstStep  = 2 * perOctave  // 4: where most variants of most families end up nearby
)

// stepAt is the k-th step of the search.
func stepAt(k int) float64 { return math.Exp2(float64(k) / perOctave) }

// largestStep finds the largest k that is not too large, where over says by about how
// many octaves one is: 0 or less where it passes, an infinity where only that is known.
// Each next is where the border seems to lie by the last two, so that few are tried.
// Where answers are as good by luck in between, any k is found that passes where the
// next does not. ok is false where none passes.
func largestStep(over func(k int) (octaves float64, err error)) (k int, ok bool, err error) {
	low, high := finestStep-1, mostSteps+1 // passes, does not: as far as is known
	last, next := tried{0, math.Inf(1)}, tried{k: firstStep}
	for tries := 1; high-low > 1; tries++ {
		if next.over, err = over(next.k); err != nil {
			return 0, false, err
		}
		if next.over <= 0 {
			low = next.k
		} else {
			high = next.k
		}
		at := (low + high) >> 1
		if tries < mostGuesses && !math.IsInf(next.over, 0) {
			at = max(low+1, min(border(last, next), high-1))
		}
		last, next = next, tried{k: at}
	}
	return low, low >= finestStep, nil
}

// mostGuesses is how often a search guesses before it halves what is left.
const mostGuesses = 6

// tried is a step of a search and by how many octaves it is too large.
type tried struct {
	k    int
	over float64
}

// border guesses the largest k that passes: by the secant through two steps. Where that
// makes no sense, what steps are measured by grows about as they do.
func border(a, b tried) int {
	slope := (b.over - a.over) / float64(b.k-a.k) * perOctave
	if !(slope > 1./16 && slope < 16) {
		slope = 1
	}
	return b.k + int(math.Floor(max(-mostSteps, min(mostSteps, -perOctave*b.over/slope))))
}
