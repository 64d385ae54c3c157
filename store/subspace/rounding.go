package subspace

import (
	"math"

	"eigenserve/store/rans"
)

// roundings holds rans.Rounding for scales from 1/16 of a step to 2¹⁶ of them,
// one for each 1/32 of an octave: the curve is flat on both sides and so smooth
// between that the nearest entry is off by less than 0.003.
var roundings = func() (f [(lastOctave - firstOctave) * perOctave]float64) {
	for i := range f {
		middle := uint32(i)<<mantissa + firstBits + 1<<(mantissa-1)
		f[i] = rans.Rounding(float64(math.Float32frombits(middle)))
	}
	return f
}()

// A positive float32's bits are its exponent, then its mantissa: all but the low
// bits of them index the table.
const (
	firstOctave, lastOctave = -4, 16
	perOctave               = 32
	mantissa                = 23 - 5
	firstBits               = (127 + firstOctave) << 23
)

// rounding is the f of q = sgn c ⌊|c|+f⌋ that keeps the mean magnitude of a Laplace
// variable of this scale, both in steps.
func rounding(scale float32) float64 {
	i := (int(math.Float32bits(scale)) - firstBits) >> mantissa
	return roundings[max(0, min(i, len(roundings)-1))]
}

// nearest is the f of the least error.
func nearest(float32) float64 { return 0.5 }
