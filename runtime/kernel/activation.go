package kernel

import "math"

// The exponential: 2ⁿ·e^r with n the nearest integer to x·log2(e) and
// |r| ≤ ln2/2, e^r by Cephes' polynomial; relative error below 2e-7. Below
// expLow, where the result would be denormal, it is zero.
const (
	expLow  = -87.33654
	expHigh = 88.37626 // e^x is taken as e^expHigh beyond
	log2e   = 1.44269504088896341
	ln2High = 0.693359375 // exact in few bits, so that n·ln2High is exact
	ln2Low  = -2.12194440e-4
	// rounder added and taken away again leaves a float32 rounded to an integer.
	rounder = 3 << 22

	exp0 = 1.9875691500e-4
	exp1 = 1.3981999507e-3
	exp2 = 8.3334519073e-3
	exp3 = 4.1665795894e-2
	exp4 = 1.6666665459e-1
	exp5 = 5.0000001201e-1
)

func exp32(x float32) float32 {
	if x < expLow {
		return 0
	}
	if x > expHigh {
		x = expHigh
	}
	if x != x {
		return x
	}
	n := float32(x*log2e+rounder) - rounder
	r := float32(x-n*ln2High) - n*ln2Low
	p := ((((exp0*r+exp1)*r+exp2)*r+exp3)*r+exp4)*r + exp5
	p = p*r*r + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// GELU(x) = max(x,0) − h(|x|) with the bump h(t) = t·erfc(t/√2)/2, and
// h(t) = e^(−t²/2)·q(t), where q = t·erfcx(t/√2)/2 is smooth and slow: a
// polynomial in u = t·geluScale − 1 for t up to geluMost, constant beyond,
// where e^(−t²/2) has made it small. Written so, nothing cancels: the absolute
// error is 1.1e-7 at most without fused operations. (Fitted by weighted least
// squares, reweighted until the error was even.)
const (
	geluMost  = 4.75
	geluScale = 2 / geluMost
)

var geluCoefficients = [13]float32{
	0.349728793, 0.0721335262, -0.0741931126, 0.0638296381, -0.0490961671, 0.0362228304, -0.0218573827,
	0.00994809158, -0.0133622279, 0.00914663821, 0.00451810891, 0.000317670172, -0.00413958728,
}

func gelu(x float32) float32 {
	t := float32(math.Float32frombits(math.Float32bits(x) &^ (1 << 31)))
	u := min(t, geluMost)*geluScale - 1
	q := &geluCoefficients
	// Even and odd powers apart: two chains half as long.
	v := u * u
	even := (((((q[12]*v+q[10])*v+q[8])*v+q[6])*v+q[4])*v+q[2])*v + q[0]
	odd := ((((q[11]*v+q[9])*v+q[7])*v+q[5])*v+q[3])*v + q[1]
	return max(x, 0) - exp32(-0.5*t*t)*(odd*u+even)
}

// sigmoidal is x·sigmoid(x·(a + b·x²)), which tanh GELU, quick GELU and SiLU
// are for different a and b: ½(1 + tanh y) = sigmoid(2y). The square is capped,
// far beyond where it matters, so that an infinite x makes no 0·∞.
func sigmoidal(x, a, b float32) float32 {
	return x / (1 + exp32(-x*(a+b*min(x*x, squareMost))))
}

const (
	geluTanhA  = 1.5957691216057308 // 2·√(2/π)
	geluTanhB  = 0.044715 * geluTanhA
	quickGELUA = 1.702
	squareMost = 1e6
)

// sigmoidCoefficients are a and b of a sigmoidal activation.
func sigmoidCoefficients(act Activation) (a, b float32) {
	switch act {
	case GELUTanh:
		return geluTanhA, geluTanhB
	case QuickGELU:
		return quickGELUA, 0
	default:
		return 1, 0
	}
}

func activateGeneric(x []float32, act Activation) {
	switch act {
	case Identity:
	case GELU:
		for i, v := range x {
			x[i] = gelu(v)
		}
	case ReLU:
		for i, v := range x {
			x[i] = max(v, 0)
		}
	case GELUTanh, QuickGELU, SiLU:
		a, b := sigmoidCoefficients(act)
		for i, v := range x {
			x[i] = sigmoidal(v, a, b)
		}
	default:
		panic("kernel: unknown activation")
	}
}
