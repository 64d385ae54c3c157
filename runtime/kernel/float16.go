package kernel

import "math"

// Half is a 16-bit float format.
type Half uint8

const (
	BF16 Half = iota // bfloat16: float32's upper half
	F16              // IEEE 754 binary16
)

// ToHalf converts src to half precision, rounding to nearest even. NaNs stay
// NaNs (quiet), infinities infinities; what is too large for F16 becomes one.
func ToHalf(dst []uint16, src []float32, h Half) {
	checkLen("ToHalf: dst", len(dst), len(src))
	toHalf(dst[:len(src)], src, h)
}

// FromHalf converts src from half precision, exactly.
func FromHalf(dst []float32, src []uint16, h Half) {
	checkLen("FromHalf: dst", len(dst), len(src))
	fromHalf(dst[:len(src)], src, h)
}

func toHalfGeneric(dst []uint16, src []float32, h Half) {
	dst = dst[:len(src)]
	if h == BF16 {
		for i, v := range src {
			dst[i] = toBF16(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = toF16(v)
	}
}

func fromHalfGeneric(dst []float32, src []uint16, h Half) {
	dst = dst[:len(src)]
	if h == BF16 {
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
		return uint16(b>>16) | 0x40 // the quiet bit keeps a NaN whose payload is cut a NaN
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// fromF16 moves the exponent by a multiplication, which gets denormals right
// with no branch of their own.
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
		overflow    = (127 + 16) << 23 // 2^16 and more are infinite; rounding makes the rest so
		least       = (127 - 14) << 23 // 2^-14, the least normal number
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
	case b < least:
		// Adding this power of two leaves the denormal's bits, rounded, at the
		// bottom of the sum.
		sum := math.Float32frombits(b) + math.Float32frombits(denormShift)
		return sign | uint16(math.Float32bits(sum)-denormShift)
	default:
		return sign | uint16((b-(127-15)<<23+0xfff+b>>13&1)>>13)
	}
}
