package kernel

import "math"

// Activation is the function that an epilogue applies to each element.
type Activation uint8

const (
	Identity  Activation = iota
	GELU                 // x·Φ(x), to about 1e-7 absolute (relative for |x| > 1)
	GELUTanh             // the tanh approximation of GELU
	QuickGELU            // x·sigmoid(1.702x)
	ReLU
	SiLU // x·sigmoid(x)
)

// Constants of exp32.
const (
	expLow  = -87.33654
	expHigh = 88.37626
	log2e   = 1.44269504088896341
	ln2High = 0.693359375 // has so few bits that n·ln2High is exact
	ln2Low  = -2.12194440e-4
	// Adding and subtracting rounder rounds a float32 to an integer.
	rounder = 3 << 22

	exp0 = 1.9875691500e-4
	exp1 = 1.3981999507e-3
	exp2 = 8.3334519073e-3
	exp3 = 4.1665795894e-2
	exp4 = 1.6666665459e-1
	exp5 = 5.0000001201e-1
)

// exp32 returns e^x, computed as 2ⁿ·e^r, where n is the integer nearest to x·log2(e) and
// |r| ≤ ln2/2, with the polynomial of Cephes for e^r. The relative error is below
// 2e-7. Below expLow, where the result would be denormal, it is zero; above expHigh
// it is e^expHigh.
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

// GELU(x) = max(x,0) − h(|x|) with the bump h(t) = t·erfc(t/√2)/2. It is
// h(t) = e^(−t²/2)·q(t), where q = t·erfcx(t/√2)/2 is smooth and varies slowly: a
// polynomial in u = t·geluScale − 1 for t up to geluMax, and constant beyond, where
// e^(−t²/2) is small. Nothing cancels in this form: without fused operations the
// absolute error is at most 1.1e-7. The coefficients were fitted by weighted least
// squares, reweighted until the error was even.
const (
	geluMax   = 4.75
	geluScale = 2 / geluMax
)

var geluCoefficients = [13]float32{
	0.349728793, 0.0721335262, -0.0741931126, 0.0638296381, -0.0490961671, 0.0362228304, -0.0218573827,
	0.00994809158, -0.0133622279, 0.00914663821, 0.00451810891, 0.000317670172, -0.00413958728,
}

func gelu(x float32) float32 {
	t := float32(math.Float32frombits(math.Float32bits(x) &^ (1 << 31)))
	u := min(t, geluMax)*geluScale - 1
	q := &geluCoefficients
	// Even and odd powers separately: two dependency chains of half the length.
	v := u * u
	even := (((((q[12]*v+q[10])*v+q[8])*v+q[6])*v+q[4])*v+q[2])*v + q[0]
	odd := ((((q[11]*v+q[9])*v+q[7])*v+q[5])*v+q[3])*v + q[1]
	return max(x, 0) - exp32(-0.5*t*t)*(odd*u+even)
}

// sigmoidal returns x·sigmoid(x·(a + b·x²)), which is tanh GELU, quick GELU or SiLU
// depending on a and b, since ½(1 + tanh y) = sigmoid(2y). The square is capped, far
// beyond where it matters, so that an infinite x does not lead to 0·∞.
func sigmoidal(x, a, b float32) float32 {
	return x / (1 + exp32(-x*(a+b*min(x*x, squareMax))))
}

const (
	geluTanhA  = 1.5957691216057308 // 2·√(2/π)
	geluTanhB  = 0.044715 * geluTanhA
	quickGELUA = 1.702
	squareMax  = 1e6
)

// sigmoidCoefficients returns a and b of a sigmoidal activation.
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
