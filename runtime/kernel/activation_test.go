package kernel

import (
	"fmt"
	"math"
	"testing"
)

// activation64 is the definition of the activations.
func activation64(x float64, act Activation) float64 {
	switch act {
	case GELU:
		return 0.5 * x * math.Erfc(-x/math.Sqrt2)
	case GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case QuickGELU:
		return x / (1 + math.Exp(-1.702*x))
	case SiLU:
		return x / (1 + math.Exp(-x))
	case ReLU:
		return max(x, 0)
	default:
		return x
	}
}

func TestActivations(t *testing.T) {
	var x []float32
	for v := -20.0; v <= 20; v += 1.0 / 256 {
		x = append(x, float32(v))
	}
	x = append(x, 0, 1e-40, -1e-40, 1e-20, -1e-20, 80, -80, 1e4, -1e4, 1e15, nan)
	for len(x)%Panel != 0 {
		x = append(x, 0)
	}
	everyISA(t, func(t *testing.T) {
		for act := Identity; act <= SiLU; act++ {
			got := clone(x)
			want := make([]float64, len(x))
			for i, v := range x {
				want[i] = activation64(float64(v), act)
			}
			epilogue(got, Panel, len(x)/Panel, nil, act, nil, 0)
			bound := 3e-7
			if act == GELU {
				bound = 1.2e-7
			}
			near(t, fmt.Sprintf("activation %d", act), got, want, bound)
		}
	})
}

func TestActivationsOfInfinity(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for act := Identity; act <= SiLU; act++ {
			x := make([]float32, Panel)
			x[0] = inf
			epilogue(x, Panel, 1, nil, act, nil, 0)
			if x[0] != inf {
				t.Errorf("activation %d of +Inf is %g", act, x[0])
			}
		}
	})
}

func TestExp(t *testing.T) {
	for v := -87.3; v < 88.3; v += 1.0 / 64 {
		x := float32(v)
		want := math.Exp(float64(x))
		if got := float64(exp32(x)); math.Abs(got-want) > 2e-7*want {
			t.Fatalf("exp(%g) = %g, want %g", x, got, want)
		}
	}
	if exp32(-inf) != 0 || exp32(-88) != 0 || exp32(nan) == exp32(nan) || exp32(0) != 1 {
		t.Fatal("exp of -Inf, -88, NaN or 0 is wrong")
	}
}
