package gate

import "math"

// The search is over quantisation steps in eighths of an octave.
const (
	perOctave  = 8
	finestStep = -4 * perOctave // 1/16
	maxStep    = 6 * perOctave  // 64
	firstStep  = 2 * perOctave  // 4: most variants of most families end near it
)

// stepAt returns the k-th step of the search.
func stepAt(k int) float64 { return math.Exp2(float64(k) / perOctave) }

// verdict says on which side of a tried step the coarsest one that passes lies.
type verdict struct {
	tooCoarse bool
	// octaves is an estimate of how far the tried step is above the coarsest one that
	// passes, negative if it is below. It is valid if estimated is set.
	octaves   float64
	estimated bool
}

// Verdicts without an estimate of the distance.
var (
	searchFiner   = verdict{tooCoarse: true}
	searchCoarser = verdict{}
)

// byOctaves returns the verdict on a step that is about octaves above the coarsest one
// that passes.
func byOctaves(octaves float64) verdict {
	return verdict{tooCoarse: octaves > 0, octaves: octaves, estimated: !math.IsInf(octaves, 0)}
}

// maxGuesses is the number of steps that the search guesses before it bisects.
const maxGuesses = 6

// trialStep is a step that was tried and the verdict on it.
type trialStep struct {
	k int
	verdict
}

// coarsest returns the largest k that is not too coarse, or finestStep-1 if every k is.
// To try few, it guesses each next k from the last two verdicts. If the verdicts are not
// monotone, it returns some k that passes while k+1 does not.
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

// guess estimates the largest k that is not too coarse by the secant through two tried
// steps. If the secant is too flat or too steep, it assumes a slope of 1: the distance in
// octaves is as estimated.
func guess(a, b trialStep) int {
	slope := (b.octaves - a.octaves) / float64(b.k-a.k) * perOctave
	if !a.estimated || !(slope > 1./16 && slope < 16) {
		slope = 1
	}
	return b.k + int(math.Floor(max(-maxStep, min(maxStep, -perOctave*b.octaves/slope))))
}
