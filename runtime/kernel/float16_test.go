package kernel

import (
	"math"
	"testing"
)

func TestFromFloat16OfEveryValue(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	everyISA(t, func(t *testing.T) {
		for _, f := range []Format{BF16, F16} {
			values := fromFormat(all, f)
			back := toFormat(values, f)
			for i, v := range values {
				if want := float16Of(uint16(i), f); v == v && float64(v) != want || (v != v) != math.IsNaN(want) {
					t.Fatalf("format %d: %#04x is %g, want %g", f, i, v, want)
				}
				if v == v && back[i] != uint16(i) {
					t.Fatalf("format %d: %#04x came back as %#04x", f, i, back[i])
				}
				if v != v && back[i]&0x7fff <= 0x7c00 {
					t.Fatalf("format %d: NaN %#04x came back as %#04x", f, i, back[i])
				}
			}
		}
	})
}

// float16Of returns the value of a 16-bit float by the format's definition.
func float16Of(v uint16, f Format) float64 {
	bits, bias := 10, 15
	if f == BF16 {
		bits, bias = 7, 127
	}
	fraction, maxExponent := int(v)&(1<<bits-1), 1<<(15-bits)-1
	exponent := int(v&0x7fff) >> bits
	value := math.Ldexp(float64(fraction+1<<bits), exponent-bias-bits)
	switch {
	case exponent == maxExponent && fraction != 0:
		return math.NaN()
	case exponent == maxExponent:
		value = math.Inf(1)
	case exponent == 0:
		value = math.Ldexp(float64(fraction), 1-bias-bits)
	}
	if v&0x8000 != 0 {
		return -value
	}
	return value
}

// TestToFloat16RoundsToNearestEven tries, between any two neighbours, the middle and the
// numbers next to it.
func TestToFloat16RoundsToNearestEven(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, f := range []Format{BF16, F16} {
			var x []float32
			var want []uint16
			for v := uint16(0); !math.IsInf(float16Of(v+1, f), 0); v++ {
				middle := float32((float16Of(v, f) + float16Of(v+1, f)) / 2)
				even := v + v&1
				x = append(x, math.Nextafter32(middle, 0), middle, math.Nextafter32(middle, inf), -middle)
				want = append(want, v, even, v+1, even|0x8000)
			}
			got := toFormat(x, f)
			for i := range x {
				if got[i] != want[i] {
					t.Fatalf("format %d: %g became %#04x, want %#04x", f, x[i], got[i], want[i])
				}
			}
		}
	})
}

func TestToFloat16OfExtremes(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		x := []float32{inf, -inf, math.MaxFloat32, 65519.99, 65520, 1e-45, math.Float32frombits(0x7f800001), 0}
		x = append(x, x...)
		x = append(x, x...)
		for f, want := range map[Format][]uint16{
			BF16: {0x7f80, 0xff80, 0x7f80, 0x4780, 0x4780, 0, 0x7fc0, 0},
			F16:  {0x7c00, 0xfc00, 0x7c00, 0x7bff, 0x7c00, 0, 0x7e00, 0},
		} {
			got := toFormat(x, f)
			for j := range got {
				if got[j] != want[j%len(want)] {
					t.Errorf("format %d: %g became %#04x, want %#04x", f, x[j], got[j], want[j%len(want)])
				}
			}
		}
	})
}
