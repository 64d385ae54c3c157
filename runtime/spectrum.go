package runtime

import (
	"math"
	"slices"

	"eigenserve/store"
)

// SpectrumInfo summarises how the energy of a layer's fitted deltas is spread over its
// directions.
type SpectrumInfo struct {
	// At are numbers of leading directions, from 1 to all. Left and Right are the share of
	// the energy that lies outside that many directions of a side. The side with fewer
	// directions ends earlier.
	At    []int     `json:"at"`
	Left  []float64 `json:"left"`
	Right []float64 `json:"right"`
	// LeftFor and RightFor are how many leading directions hold 50, 90 and 99% of the
	// energy, 0 if the basis does not have as many.
	LeftFor  [3]int `json:"left_for"`
	RightFor [3]int `json:"right_for"`
}

// spectrumShares are the shares of LeftFor and RightFor.
var spectrumShares = [3]float64{0.5, 0.9, 0.99}

func spectrumInfo(s store.Spectrum) SpectrumInfo {
	left, right := tailShares(s.Left, s.Energy), tailShares(s.Right, s.Energy)
	out := SpectrumInfo{LeftFor: countsFor(left), RightFor: countsFor(right)}
	for _, k := range sampledRanks(max(len(left), len(right))) {
		out.At = append(out.At, k)
		if k <= len(left) {
			out.Left = append(out.Left, fourDigits(left[k-1]))
		}
		if k <= len(right) {
			out.Right = append(out.Right, fourDigits(right[k-1]))
		}
	}
	return out
}

// energy90 returns how many left directions hold 90% of the energy.
func energy90(s store.Spectrum) int {
	sum := 0.0
	for i, x := range s.Left {
		if sum += x; sum >= 0.9*s.Energy {
			return i + 1
		}
	}
	return len(s.Left)
}

// tailShares returns the share of the energy outside the leading 1, 2, … directions.
func tailShares(values []float64, energy float64) []float64 {
	out, sum := make([]float64, len(values)), 0.0
	for i, x := range values {
		sum += x
		if energy > 0 {
			out[i] = max(0, 1-sum/energy)
		}
	}
	return out
}

// countsFor returns how many leading directions hold each of spectrumShares.
func countsFor(tail []float64) (out [3]int) {
	for i, share := range spectrumShares {
		// Eigenvalues are stored to four digits.
		out[i] = 1 + slices.IndexFunc(tail, func(x float64) bool { return x <= 1-share+1e-4 })
	}
	return out
}

// sampledRanks returns 1 … n in steps that grow by an eighth.
func sampledRanks(n int) (out []int) {
	for k := 1; k <= n; k += max(1, k/8) {
		out = append(out, k)
	}
	if n > 0 && out[len(out)-1] < n {
		out = append(out, n)
	}
	return out
}

// fourDigits rounds to four significant digits, for people to look at.
func fourDigits(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-3)
	return math.Round(x/unit) * unit
}
