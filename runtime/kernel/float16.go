package kernel

import "math"

// A Format is a 16-bit floating-point format.
type Format uint8

const (
	BF16 Format = iota // bfloat16: the upper half of a float32
	F16                // IEEE 754 binary16
)

// ToFloat16 converts src to a 16-bit format, rounding to nearest even. NaNs become
// quiet NaNs and infinities stay; what is too large for F16 becomes an infinity.
func ToFloat16(dst []uint16, src []float32, f Format) {
	checkLen("ToFloat16: dst", len(dst), len(src))
	toFloat16(dst[:len(src)], src, f)
}

// FromFloat16 converts src from a 16-bit format, exactly.
func FromFloat16(dst []float32, src []uint16, f Format) {
	checkLen("FromFloat16: dst", len(dst), len(src))
	fromFloat16(dst[:len(src)], src, f)
}

func toFloat16Generic(dst []uint16, src []float32, f Format) {
	dst = dst[:len(src)]
	if f == BF16 {
		for i, v := range src {
			dst[i] = toBF16(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = toF16(v)
	}
}

func fromFloat16Generic(dst []float32, src []uint16, f Format) {
	dst = dst[:len(src)]
	if f == BF16 {
		for i, v := range src {
			dst[i] = fromBF16(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = fromF16(v)
	}
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

func toBF16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40 // the quiet bit: without its low bits, the payload may be zero
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// fromF16 adjusts the exponent by a multiplication, which needs no special case for
// denormals.
func fromF16(h uint16) float32 {
	const rebias = 1 << 112 // 2^(127−15)
	sign := uint32(h&0x8000) << 16
	b := uint32(h&0x7fff) << 13
	if h&0x7c00 == 0x7c00 {
		b |= 0x7f800000
		if h&0x3ff != 0 {
			b |= 1 << 22
		}
		return math.Float32frombits(sign | b)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(b)*rebias))
}

func toF16(v float32) uint16 {
	const (
		infinity    = 0x7f800000
		overflow    = (127 + 16) << 23 // 2^16; rounding also turns 65520 and more into infinity
		minNormal   = (127 - 14) << 23 // 2^-14
		denormShift = (127 - 15 + 23 - 10 + 1) << 23
	)
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > infinity:
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= overflow:
		return sign | 0x7c00
	case b < minNormal:
		// Adding this power of two leaves the denormal's bits, rounded, in the low
		// bits of the sum.
		sum := math.Float32frombits(b) + math.Float32frombits(denormShift)
		return sign | uint16(math.Float32bits(sum)-denormShift)
	default:
		return sign | uint16((b-(127-15)<<23+0xfff+b>>13&1)>>13)
	}
}
