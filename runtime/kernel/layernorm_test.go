package kernel

import (
	"math"
	"testing"
)

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
					bound = math.Inf(1) // the variance is only rounding error
				}
				near(t, "norm"+sizes(cols), got, norm64(x, rows, cols, gamma, beta, 1e-12), bound)
				LayerNorm(Float32s(x, cols), x, rows, cols, gamma, beta, 1e-12)
				near(t, "in place"+sizes(cols), x, float64s(got), 0)
			}
		}
	})
}

// norm64 is the definition of LayerNorm.
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

func TestLayerNormPropagatesNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		x := random(1, 40)
		x[33] = nan
		LayerNorm(Float32s(x, 40), x, 1, 40, random(2, 40), random(3, 40), 1e-6)
		for i, v := range x {
			if v == v {
				t.Fatalf("element %d is %g, want NaN", i, v)
			}
		}
	})
}

// TestLayerNormAndAddInParallel uses enough rows for all cores, and no whole number of
// shares.
func TestLayerNormAndAddInParallel(t *testing.T) {
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
		mustNotAllocate(t, func() { Add(got, y); LayerNorm(Float32s(got, cols), x, rows, cols, gamma, beta, 1e-6) })
		Add(x, y)
		near(t, "sum", x, want, 0)
	})
}
