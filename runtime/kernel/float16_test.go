package kernel

import (
	"math"
	"testing"
)

func TestFromHalfOfEveryValue(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	everyISA(t, func(t *testing.T) {
		for _, h := range []Half{BF16, F16} {
			wide, back := make([]float32, len(all)), make([]uint16, len(all))
			FromHalf(wide, all, h)
			ToHalf(back, wide, h)
			for i, v := range wide {
				if want := half64(uint16(i), h); v == v && float64(v) != want || (v != v) != math.IsNaN(want) {
					t.Fatalf("half %d: %#04x is %g, want %g", h, i, v, want)
				}
				if v == v && back[i] != uint16(i) {
					t.Fatalf("half %d: %#04x came back as %#04x", h, i, back[i])
				}
				if v != v && back[i]&0x7fff <= 0x7c00 {
					t.Fatalf("half %d: NaN %#04x came back as %#04x", h, i, back[i])
				}
			}
		}
	})
}

// half64 is a half's value by its definition.
func half64(v uint16, h Half) float64 {
	bits, bias := 10, 15
	if h == BF16 {
		bits, bias = 7, 127
	}
	fraction, most := int(v)&(1<<bits-1), 1<<(15-bits)-1
	exponent := int(v&0x7fff) >> bits
	value := math.Ldexp(float64(fraction+1<<bits), exponent-bias-bits)
	switch {
	case exponent == most && fraction != 0:
		return math.NaN()
	case exponent == most:
		value = math.Inf(1)
	case exponent == 0:
		value = math.Ldexp(float64(fraction), 1-bias-bits)
	}
	if v&0x8000 != 0 {
		return -value
	}
	return value
}

// Between any two neighbours: a little below the middle, the middle, a little
// above.
func TestToHalfRoundsToNearestEven(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, h := range []Half{BF16, F16} {
			var x []float32
			var want []uint16
			for v := uint16(0); !math.IsInf(half64(v+1, h), 0); v++ {
				middle := float32((half64(v, h) + half64(v+1, h)) / 2)
				even := v + v&1
				x = append(x, math.Nextafter32(middle, 0), middle, math.Nextafter32(middle, inf), -middle)
				want = append(want, v, even, v+1, even|0x8000)
			}
			got := make([]uint16, len(x))
			ToHalf(got, x, h)
			for i := range x {
				if got[i] != want[i] {
					t.Fatalf("half %d: %g became %#04x, want %#04x", h, x[i], got[i], want[i])
				}
			}
		}
	})
}

func TestToHalfOfExtremes(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		x := []float32{inf, -inf, math.MaxFloat32, 65519.99, 65520, 1e-45, math.Float32frombits(0x7f800001), 0}
		x = append(x, x...)
		x = append(x, x...)
		for i, want := range map[Half][]uint16{
			BF16: {0x7f80, 0xff80, 0x7f80, 0x4780, 0x4780, 0, 0x7fc0, 0},
			F16:  {0x7c00, 0xfc00, 0x7c00, 0x7bff, 0x7c00, 0, 0x7e00, 0},
		} {
			got := make([]uint16, len(x))
			ToHalf(got, x, i)
			for j := range got {
				if got[j] != want[j%len(want)] {
					t.Errorf("half %d: %g became %#04x, want %#04x", i, x[j], got[j], want[j%len(want)])
				}
			}
		}
	})
}
