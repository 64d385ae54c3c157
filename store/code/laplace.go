package code

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

// exp is e**x for x <= 0.
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

// law is the distribution of a coefficient of one scale, quantised with
// Rounding: P(0) = 1 - some, P(±n) = ½·some·e**(-(n-1)·rate)·(1-e**-rate).
type law struct {
	rate float64 // steps to a scale
	some float64 // P(q != 0)
}

func lawOf(scale float64) law {
	rate := 1 / scale
	return law{rate: rate, some: exp(-float64((1 - Rounding(scale)) * rate))}
}

// beyond is P(|q| > n), given that q is not zero.
func (l law) beyond(n float64) float64 { return exp(-float64(n * l.rate)) }

// impossible is the least probability that Length reckons with.
const impossible = 1e-12

// bits is the ideal code length of q.
func (l law) bits(q int32) float64 {
	p := 1 - l.some
	if n := math.Abs(float64(q)); n > 0 {
		p = l.some / 2 * l.beyond(n-1) * float64(l.rate*decay(l.rate))
	}
	return -math.Log2(max(p, impossible))
}

// Length is the ideal code length of the blocks in bits: what a coder without
// any loss would take under the exact Laplace laws. Encode comes within a
// percent of it. A probability below 1e-12 counts as that.
func Length(blocks []Block) float64 {
	total := 0.0
	for _, b := range blocks {
		for j, right := range b.Right {
			for i, left := range b.Left {
				scale := max(factor(factor(right)*factor(left)), 1e-3)
				total += lawOf(float64(scale)).bits(b.Q[j*len(b.Left)+i])
			}
		}
	}
	return total
}
