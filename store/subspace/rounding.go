package subspace

import (
	"math"

	"eigenserve/store/rans"
)

// offsets holds rans.Rounding for scales from 1/16 of a step to 2¹⁶ steps, one per 1/32 of an
// octave. The curve is flat on both sides and smooth between them, so the nearest entry is
// off by less than 0.003.
var offsets = func() (f [(lastOctave - firstOctave) * perOctave]float64) {
	for i := range f {
		middle := uint32(i)<<mantissa + firstBits + 1<<(mantissa-1)
		f[i] = rans.Rounding(float64(math.Float32frombits(middle)))
	}
	return f
}()

// The bits of a positive float32 are its exponent and its mantissa. Without the low bits of
// the mantissa they are an index of the table.
const (
	firstOctave, lastOctave = -4, 16
	perOctave               = 32
	mantissa                = 23 - 5
	firstBits               = (127 + firstOctave) << 23
)

// offset returns the f of sgn c·⌊|c| + f⌋ that keeps the mean magnitude of a Laplace variable
// of a scale, with c and the scale in steps.
func offset(scale float32) float64 {
	i := (int(math.Float32bits(scale)) - firstBits) >> mantissa
	return offsets[max(0, min(i, len(offsets)-1))]
}

// nearestOffset returns the f of rounding to nearest.
func nearestOffset(float32) float64 { return 0.5 }
