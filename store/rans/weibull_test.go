package rans

import (
	"math"
	"testing"
)

func TestExpAndLog(t *testing.T) {
	near := func(what string, x, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 4e-16*math.Abs(want) {
			t.Errorf("%s(%g) = %g, want %g", what, x, got, want)
		}
	}
	for x := 1e-9; x < 700; x *= 1.37 {
		near("exp", -x, exp(-x), math.Exp(-x))
		near("decay", x, decay(x), -math.Expm1(-x)/x)
		if y := 1 / x; math.Abs(y-1) > 1e-3 {
			near("log", y, log(y), math.Log(y))
		}
	}
	if exp(-1e9) != 0 || exp(0) != 1 || log(1) != 0 || decay(0) != 1 {
		t.Error("exp(-1e9), exp(0), log(1) or decay(0) is not exact")
	}
}

func TestRoundingKeepsMeanMagnitude(t *testing.T) {
	for _, scale := range []float64{0.125, 0.2, 0.5, 1, 3, 10, 100, 1e4} {
		l, mean := laplace(scale), 0.0
		for n := 1.0; n < 50*scale+50; n++ {
			mean += n * l.nonzero * (l.tail(n-1) - l.tail(n))
		}
		if math.Abs(mean-scale) > 1e-6*scale {
			t.Errorf("scale %g: mean magnitude %g", scale, mean)
		}
	}
}

func TestRoundingAtLimits(t *testing.T) {
	smallest := Rounding(1.0 / maxRate)
	for scale, want := range map[float64]float64{
		0: smallest, -1: smallest, 1e-300: smallest, math.NaN(): smallest,
		1e9: 0.5, math.Inf(1): 0.5,
	} {
		if got := Rounding(scale); got != want {
			t.Errorf("Rounding(%g) = %g, want %g", scale, got, want)
		}
	}
}

func TestLengthIsNormalized(t *testing.T) {
	for _, scale := range []float32{0.05, 0.3, 1, 7, 1000} {
		b := Block{Right: []float32{scale}, Left: []float32{1}, Q: []int32{0}}
		total := math.Exp2(-Length([]Block{b}))
		for n := int32(1); n < int32(40*scale)+40; n++ {
			b.Q[0] = n
			total += 2 * math.Exp2(-Length([]Block{b}))
		}
		if math.Abs(total-1) > 1e-6 {
			t.Errorf("scale %g: the probabilities add up to %g", scale, total)
		}
	}
}
