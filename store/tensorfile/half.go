package tensorfile

import "math"

// fromF16 converts a half to a float32. Once shifted into place, its exponent is too small
// by 112, the difference of the two biases. Multiplying by 2^112 corrects that, and also
// turns subnormal halves into normal numbers. Only the largest exponent, of infinities and
// NaN, is a special case.
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

// toF16 rounds to the nearest half, ties to even. A number that is too large becomes
// infinite; NaN stays NaN.
func toF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: with the quiet bit, since without its payload it would be infinite
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000:
		// Below 2^-14 a half is a multiple of 2^-24. That is the value of the last bit of
		// 0.5, so adding 0.5 rounds.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // half a unit in the last place, less one if the number below is even
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
