package gate

import "math"

// The search runs over steps in eighths of an octave.
const (
	perOctave  = 8
	finestStep = -4 * perOctave // 1/16
	maxStep    = 6 * perOctave  // 64
	firstStep  = 2 * perOctave  // 4: most variants of most families end near it
)

// stepAt returns the k-th step of the search.
func stepAt(k int) float64 { return math.Exp2(float64(k) / perOctave) }

// A verdict says on which side of the sought step a tried one lies.
type verdict struct {
	tooCoarse bool
	// octaves estimates how far the tried step is above the sought one, negative if it
	// lies below. It is used if estimated is set.
	octaves   float64
	estimated bool
}

// Verdicts without an estimate of the distance.
var (
	searchFiner   = verdict{tooCoarse: true}
	searchCoarser = verdict{}
)

// byOctaves returns the verdict on a step that is above the sought one by about so many
// octaves, or below it by as many if negative.
func byOctaves(octaves float64) verdict {
	return verdict{tooCoarse: octaves > 0, octaves: octaves, estimated: !math.IsInf(octaves, 0)}
}

// maxGuesses is how often the search guesses before it bisects.
const maxGuesses = 6

// trialStep is a step that was tried, with the verdict on it.
type trialStep struct {
	k int
	verdict
}

// coarsest returns the largest k that is not too coarse. Each next k is guessed from
// the last two verdicts, so that few are tried. Where verdicts are not monotone, it
// returns some k that passes while k+1 does not. It returns finestStep-1 if every step
// is too coarse.
func coarsest(judge func(k int) (verdict, error)) (k int, err error) {
	low, high := finestStep-1, maxStep+1 // not too coarse; too coarse
	last, next := trialStep{verdict: searchFiner}, trialStep{k: firstStep}
	for tries := 1; high-low > 1; tries++ {
		if next.verdict, err = judge(next.k); err != nil {
			return 0, err
		}
		if next.tooCoarse {
			high = next.k
		} else {
			low = next.k
		}
		at := (low + high) >> 1
		if tries < maxGuesses && next.estimated {
			at = max(low+1, min(guess(last, next), high-1))
		}
		last, next = next, trialStep{k: at}
	}
	return low, nil
}

// guess returns the largest k that is not too coarse, by the secant through two tried
// steps. If the secant makes no sense, it assumes that what verdicts measure grows as
// the step does.
func guess(a, b trialStep) int {
	slope := (b.octaves - a.octaves) / float64(b.k-a.k) * perOctave
	if !a.estimated || !(slope > 1./16 && slope < 16) {
		slope = 1
	}
	return b.k + int(math.Floor(max(-maxStep, min(maxStep, -perOctave*b.octaves/slope))))
}
