package tensorfile

import "math"

// fromF16 widens a half. Shifted into place, the exponent is short by the
// difference of the two biases, 112; multiplying by 2^112 mends that and turns
// half subnormals into ordinary numbers on the way. Only the largest exponent,
// infinities and NaN, needs a case of its own.
func fromF16(h uint16) float32 {
	const rebias = 0x1p112
	sign := uint32(h&0x8000) << 16
	rest := uint32(h&0x7fff) << 13
	if h&0x7c00 == 0x7c00 {
		return math.Float32frombits(sign | 0x7f800000 | rest)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest)*rebias))
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// toF16 rounds to the nearest half, ties to even. What is too large becomes
// infinite; NaN stays NaN.
func toF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: the quiet bit, so that a dropped payload cannot make it infinite
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000:
		// Below 2^-14 a half is a multiple of 2^-24. Adding 0.5, whose last bit
		// is worth just that, lets the addition do the rounding.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // half of a last place, less one where even is below
	return sign | uint16((b-112<<23)>>13)
}

// toBF16 rounds to the nearest bfloat16, ties to even; NaN stays NaN.
func toBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
