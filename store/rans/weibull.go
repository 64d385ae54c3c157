package rans

import "math"

// The probabilities below decide the tables, and the tables decide what a
// stream means. So they may not differ in one bit between machines: only
// operations that IEEE 754 fixes are used, and every product is converted to
// float64 before it is added to, which forbids the compiler to fuse the two.

const (
	ln2 = 0x1.62e42fefa39efp-1
	// ln2 once more in two parts: a short one whose small multiples are
	// exact, and the rest.
	ln2High = 0x1.62e42feep-1
	ln2Low  = 0x1.a39ef35793c76p-33
)

// exp is e**x for x < 700.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	k := math.Floor(float64(x/ln2) + 0.5)
	t := x - float64(k*ln2High)
	t -= float64(k * ln2Low)
	s := 1.0
	for n := 16.0; n >= 1; n-- { // Taylor, |t| <= ln2/2
		s = 1 + float64(t*s)/n
	}
	return math.Ldexp(s, int(k))
}

// log is the natural logarithm of x > 0.
func log(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = m*2, k-1
	}
	s := (m - 1) / (m + 1) // log m = 2 atanh s, |s| < 0.172
	square := float64(s * s)
	sum := 0.0
	for n := 25.0; n >= 1; n -= 2 {
		sum = 1/n + float64(square*sum)
	}
	return float64(2*float64(s*sum)) + float64(float64(k)*ln2)
}

// decay is (1-e**-r)/r for r >= 0.
func decay(r float64) float64 {
	if r > 0.5 {
		return (1 - exp(-r)) / r
	}
	s := 1.0
	for n := 18.0; n >= 2; n-- {
		s = 1 - float64(r*s)/n
	}
	return s
}

// mostSteps is how many steps to a scale the rounding follows. Beyond that a
// mean magnitude could only be kept by rounding up ever smaller coefficients.
const mostSteps = 8

// Rounding is the f of q = sgn(c)⌊|c|/step + f⌋ that keeps the mean magnitude
// of a Laplace variable of the given scale, counted in steps: E|q|·step = E|c|.
// It falls from 0.74 for small scales to 0.5 for large ones.
func Rounding(scale float64) float64 {
	r := float64(mostSteps)
	if scale > 1.0/mostSteps {
		r = 1 / scale
	}
	if r < 1e-6 { // f = 1/2 + r/24 + …; the form below would end in 0/0
		return 0.5
	}
	return 1 + log(decay(r))/r
}

// law is the distribution of a coefficient of one scale, quantised with Rounding.
type law struct {
	rate  float64 // steps to a scale
	some  float64 // P(q != 0)
	first float64 // steps to the least magnitude that is rounded to one
	shape float64
}

// laplace is the law of streams of version 1: P(|q| > n) = some·e**(-n·rate).
func laplace(scale float64) law {
	l := law{rate: 1 / scale, first: 1 - Rounding(scale), shape: 1}
	l.some = exp(-float64(l.first * l.rate))
	return l
}

// weibullShape was fitted to real variants, whose magnitudes fall off faster than
// a Laplace variable's once their block's gain is known: P(|c| > x) = e**-x**shape,
// x in scales (Weibull). Tables of what was counted instead save 0.1% more.
const weibullShape = 1.25

// weibull is the law of streams of version 2.
func weibull(scale float64) law {
	l := law{rate: 1 / scale, first: 1 - Rounding(scale), shape: weibullShape}
	l.some = exp(-l.power(0))
	return l
}

// power is -log P(|q| > n), q any.
func (l law) power(n float64) float64 {
	return exp(float64(l.shape * log(float64((n+l.first)*l.rate))))
}

// beyond is P(|q| > n), given that q is not zero.
func (l law) beyond(n float64) float64 {
	if l.shape == 1 {
		return exp(-float64(n * l.rate))
	}
	return exp(l.power(0) - l.power(n))
}

// impossible is the least probability that Length reckons with.
const impossible = 1e-12

// bits is the ideal code length of q.
func (l law) bits(q int32) float64 {
	p := 1 - l.some
	if n := math.Abs(float64(q)); n > 0 {
		p = l.some / 2 * (l.beyond(n-1) - l.beyond(n))
	}
	return -math.Log2(max(p, impossible))
}

// Length is the ideal code length of the blocks in bits: what a coder without
// any loss would take under the exact laws. Encode comes within a
// percent of it. A probability below 1e-12 counts as that.
func Length(blocks []Block) float64 {
	total := 0.0
	for _, b := range blocks {
		for j, right := range b.Right {
			for i, left := range b.Left {
				scale := max(factor(factor(right)*factor(left)), 1e-3)
				total += weibull(float64(scale)).bits(b.Q[j*len(b.Left)+i])
			}
		}
	}
	return total
}
