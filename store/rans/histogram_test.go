package rans_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store/rans"
)

func histogram(b rans.Block) *rans.Histogram {
	var t rans.Histogram
	for j, r := range b.Right {
		for i, l := range b.Left {
			t.Add(r*l, b.Q[j*len(b.Left)+i])
		}
	}
	return &t
}

// The code length is accurate to the width of a bucket.
func TestHistogramBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, scale := range []float64{0.5, 3, 40, 1e4} {
		b := draw(rng, falling(60, scale*1.2, scale/1.2), falling(80, 1.2, 0.3))
		counted := histogram(b)
		for _, eighths := range []int{-8, 0, 3, 8} {
			scaled := b
			scaled.Right = nil
			for _, r := range b.Right {
				scaled.Right = append(scaled.Right, r*float32(math.Exp2(float64(eighths)/8)))
			}
			want := rans.Length([]rans.Block{scaled})
			if got := counted.Bits(eighths); math.Abs(got/want-1) > 0.01 {
				t.Errorf("scale %g, %d eighths of an octave: %.0f bits, want %.0f", scale, eighths, got, want)
			}
		}
	}
}

func TestHistogramOfExtremes(t *testing.T) {
	var counted rans.Histogram
	for _, scale := range []float32{0, -1, float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32, math.SmallestNonzeroFloat32} {
		for _, q := range []int32{0, 1, -15, 16, -17, rans.MaxMagnitude, -rans.MaxMagnitude} {
			counted.Add(scale, q)
		}
	}
	for _, eighths := range []int{-255, 0, 255} {
		if bits := counted.Bits(eighths); !(bits > 0) || math.IsInf(bits, 0) {
			t.Errorf("%d eighths of an octave: %g bits", eighths, bits)
		}
	}
}
