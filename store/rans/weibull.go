package rans

import "math"

// These probabilities determine the tables, and the tables determine what a stream means. So
// they must not differ in a single bit between machines: only operations that IEEE 754
// specifies exactly are used, and every product is converted to float64 before an addition,
// which keeps the compiler from fusing the two.

const (
	ln2 = 0x1.62e42fefa39efp-1
	// ln2 is also the sum of a short part, whose small multiples are exact, and the rest.
	ln2High = 0x1.62e42feep-1
	ln2Low  = 0x1.a39ef35793c76p-33
)

// exp returns e**x for x < 700.
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

// log returns the natural logarithm of x > 0.
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

// decay returns (1-e**-r)/r for r >= 0.
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

// maxRate is the largest number of steps per scale for which Rounding keeps the mean
// magnitude. Above it, ever smaller coefficients would have to be rounded up.
const maxRate = 8

// Rounding returns the f of q = sgn(c)⌊|c|/step + f⌋ that keeps the mean magnitude of a
// Laplace variable of the given scale, in steps: E|q|·step = E|c|. It falls from 0.74 for
// small scales to 0.5 for large ones.
func Rounding(scale float64) float64 {
	r := float64(maxRate)
	if scale > 1.0/maxRate {
		r = 1 / scale
	}
	if r < 1e-6 { // f = 1/2 + r/24 + …; the formula below is 0/0
		return 0.5
	}
	return 1 + log(decay(r))/r
}

// distribution is that of a coefficient of one scale, quantised with Rounding.
type distribution struct {
	rate    float64 // steps per scale
	nonzero float64 // P(q != 0)
	first   float64 // smallest magnitude that is rounded to one, in steps
	shape   float64
}

// laplace returns the distribution of streams of version 1: P(|q| > n) = nonzero·e**(-n·rate).
func laplace(scale float64) distribution {
	d := distribution{rate: 1 / scale, first: 1 - Rounding(scale), shape: 1}
	d.nonzero = exp(-float64(d.first * d.rate))
	return d
}

// weibullShape was fitted to real variants. Once the gain of a block is known, their
// magnitudes fall off faster than those of a Laplace variable: P(|c| > x) = e**-x**shape, with
// x in scales. Tables of counted frequencies save another 0.1%.
const weibullShape = 1.25

// weibull returns the distribution of streams of version 2.
func weibull(scale float64) distribution {
	d := distribution{rate: 1 / scale, first: 1 - Rounding(scale), shape: weibullShape}
	d.nonzero = exp(-d.power(0))
	return d
}

// power returns -log P(|q| > n).
func (d distribution) power(n float64) float64 {
	return exp(float64(d.shape * log(float64((n+d.first)*d.rate))))
}

// tail returns P(|q| > n), given that q is not zero.
func (d distribution) tail(n float64) float64 {
	if d.shape == 1 {
		return exp(-float64(n * d.rate))
	}
	return exp(d.power(0) - d.power(n))
}

// minProb is the smallest probability that Length uses.
const minProb = 1e-12

// bits returns the ideal code length of q.
func (d distribution) bits(q int32) float64 {
	p := 1 - d.nonzero
	if n := math.Abs(float64(q)); n > 0 {
		p = d.nonzero / 2 * (d.tail(n-1) - d.tail(n))
	}
	return -math.Log2(max(p, minProb))
}

// Length returns the ideal code length of the blocks in bits, for the exact distributions.
// Encode comes within one percent of it. Probabilities below 1e-12 count as 1e-12.
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
