package runtime

import (
	"math"
	"slices"
	"testing"

	"eigenserve/store"
)

func TestSpectrumInfo(t *testing.T) {
	left := make([]float64, 100) // halves, so that k directions leave out 2^-k
	for i := range left {
		left[i] = math.Ldexp(1, -i-1)
	}
	s := spectrumInfo(store.Spectrum{Left: left, Right: []float64{0.4, 0.3}, Energy: 1})
	if s.At[0] != 1 || s.At[len(s.At)-1] != 100 || !slices.IsSorted(s.At) || len(s.At) > 40 {
		t.Errorf("at %v, want 40 numbers or fewer that rise from 1 to 100", s.At)
	}
	if len(s.Left) != len(s.At) || s.Left[0] != 0.5 || s.Left[3] != 0.0625 {
		t.Errorf("left %v, want 2^-k for each of %v", s.Left, s.At)
	}
	if !slices.Equal(s.Right, []float64{0.6, 0.3}) {
		t.Errorf("right %v, want [0.6 0.3]", s.Right)
	}
	if s.LeftFor != [3]int{1, 4, 7} || s.RightFor != [3]int{2, 0, 0} {
		t.Errorf("%v of the energy in %v left and %v right directions, want [1 4 7] and [2 0 0]", spectrumShares, s.LeftFor, s.RightFor)
	}
	for _, empty := range []store.Spectrum{{}, {Left: []float64{0}, Right: []float64{0}}} { // one checkpoint
		s := spectrumInfo(empty)
		for _, x := range append(s.Left, s.Right...) {
			if x != 0 {
				t.Errorf("without energy: %+v, want zeros", s)
			}
		}
	}
}
