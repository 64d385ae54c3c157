package kernel

import (
	"math"
	"testing"
)

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
			got := append([]float32(nil), x...)
			want := make([]float64, len(x))
			for i, v := range x {
				want[i] = activation64(float64(v), act)
			}
			finish(got, Panel, len(x)/Panel, nil, act, nil, 0)
			bound := 3e-7
			if act == GELU {
				bound = 1.2e-7
			}
			near(t, "activation", got, want, bound)
		}
	})
}

func TestActivationsOfInfinity(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for act := Identity; act <= SiLU; act++ {
			x := make([]float32, Panel)
			x[0] = inf
			finish(x, Panel, 1, nil, act, nil, 0)
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
		t.Fatal("exp of -Inf, -88, NaN or 0")
	}
}

func TestLayerNorm(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, cols := range []int{1, 3, 8, 15, 16, 17, 31, 64, 100, 192, 768, 1025} {
			for _, offset := range []float32{0, 30} {
				const rows = 3
				x, gamma, beta := random(1, rows*cols), random(2, cols), random(3, cols)
				for i := range x {
					x[i] += offset
				}
				got := make([]float32, rows*cols)
				LayerNorm(Float32s(got, cols), x, rows, cols, gamma, beta, 1e-12)
				bound := 1e-6 * float64(1+offset)
				if cols == 1 {
					bound = math.Inf(1) // the variance is nothing but rounding
				}
				near(t, "norm"+sizes(cols), got, norm64(x, rows, cols, gamma, beta, 1e-12), bound)
				LayerNorm(Float32s(x, cols), x, rows, cols, gamma, beta, 1e-12)
				near(t, "in place"+sizes(cols), x, float64s(got), 0)
			}
		}
	})
}

func norm64(x []float32, rows, cols int, gamma, beta []float32, eps float64) []float64 {
	out := make([]float64, rows*cols)
	for r := 0; r < rows; r++ {
		row := x[r*cols:][:cols]
		var mean, variance float64
		for _, v := range row {
			mean += float64(v) / float64(cols)
		}
		for _, v := range row {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(cols)
		}
		for i, v := range row {
			out[r*cols+i] = (float64(v)-mean)/math.Sqrt(variance+eps)*float64(gamma[i]) + float64(beta[i])
		}
	}
	return out
}

func TestLayerNormKeepsNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		x := random(1, 40)
		x[33] = nan
		LayerNorm(Float32s(x, 40), x, 1, 40, random(2, 40), random(3, 40), 1e-6)
		for i, v := range x {
			if v == v {
				t.Fatalf("element %d is %g", i, v)
			}
		}
	})
}

func softmax64(x []float32, rows, cols, ld int, scale float64) []float64 {
	out := make([]float64, rows*cols)
	for r := 0; r < rows; r++ {
		most, sum := math.Inf(-1), 0.0
		for _, v := range x[r*ld:][:cols] {
			most = math.Max(most, float64(v)*scale)
		}
		for i, v := range x[r*ld:][:cols] {
			out[r*cols+i] = math.Exp(float64(v)*scale - most)
			sum += out[r*cols+i]
		}
		for i := range cols {
			out[r*cols+i] /= sum
		}
	}
	return out
}

func TestSoftmax(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, cols := range []int{1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 197, 577} {
			const rows = 3
			ld := cols + 2
			x := random(1, rows*ld)
			for i := range x {
				x[i] *= 8
			}
			if cols > 2 {
				x[1], x[ld] = -inf, 500
			}
			old := append([]float32(nil), x...)
			want := softmax64(x, rows, cols, ld, 0.7)
			Softmax(x, rows, cols, ld, 0.7)
			near(t, "softmax"+sizes(cols), dense(x, ld, rows, cols), want, 5e-7)
			gapsUntouched(t, x, old, ld, cols)
		}
	})
}

func TestSoftmaxOfNaNAndInf(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, bad := range []float32{nan, inf} {
			for _, at := range []int{0, 18, 36} {
				x := random(1, 37)
				x[at] = bad
				Softmax(x, 1, 37, 37, 1)
				if x[at] == x[at] {
					t.Fatalf("the place of %g is %g", bad, x[at])
				}
			}
		}
	})
}

func TestAdd(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for n := range 70 {
			x, y := random(1, n), random(2, n)
			want := make([]float64, n)
			for i := range want {
				want[i] = float64(x[i] + y[i])
			}
			Add(x, y)
			near(t, "sum", x, want, 0)
		}
	})
}

// Large enough for all cores, and no whole number of shares.
func TestRowsSpreadOverCores(t *testing.T) {
	const rows, cols = 343, 771
	gamma, beta := random(2, cols), random(3, cols)
	everyISA(t, func(t *testing.T) {
		x, y := random(1, rows*cols), random(4, rows*cols)
		got := make([]float32, rows*cols)
		LayerNorm(Float32s(got, cols), x, rows, cols, gamma, beta, 1e-6)
		near(t, "norm", got, norm64(x, rows, cols, gamma, beta, 1e-6), 2e-6)
		want := make([]float64, len(x))
		for i := range want {
			want[i] = float64(x[i] + y[i])
		}
		if a := testing.AllocsPerRun(5, func() { Add(got, y); LayerNorm(Float32s(got, cols), x, rows, cols, gamma, beta, 1e-6) }); a >= 1 && !raceEnabled {
			t.Errorf("%v allocations a call", a)
		}
		Add(x, y)
		near(t, "sum", x, want, 0)
	})
}

func TestPatches(t *testing.T) {
	const channels, height, width, ph, pw = 3, 9, 8, 4, 2
	image := random(1, channels*height*width)
	var want []float64
	for y := 0; y+ph <= height; y += ph {
		for x := 0; x+pw <= width; x += pw {
			for c := range channels {
				for i := range ph {
					for j := range pw {
						want = append(want, float64(image[(c*height+y+i)*width+x+j]))
					}
				}
			}
		}
	}
	got := make([]float32, len(want))
	Patches(got, image, channels, height, width, ph, pw)
	near(t, "patches", got, want, 0)
}
