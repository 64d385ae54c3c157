package kernel

import (
	"math"
	"testing"
)

// softmax64 is the definition of Softmax, of rows without gaps.
func softmax64(x []float32, rows, cols, ld int, scale float64) []float64 {
	out := make([]float64, rows*cols)
	for r := 0; r < rows; r++ {
		highest, sum := math.Inf(-1), 0.0
		for _, v := range x[r*ld:][:cols] {
			highest = math.Max(highest, float64(v)*scale)
		}
		for i, v := range x[r*ld:][:cols] {
			out[r*cols+i] = math.Exp(float64(v)*scale - highest)
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
			old := clone(x)
			want := softmax64(x, rows, cols, ld, 0.7)
			Softmax(x, rows, cols, ld, 0.7)
			near(t, "softmax"+sizes(cols), dense(x, ld, rows, cols), want, 5e-7)
			gapsUntouched(t, x, old, ld, cols)
		}
	})
}

func TestSoftmaxOfNaNAndInfIsNaN(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, bad := range []float32{nan, inf} {
			for _, at := range []int{0, 18, 36} {
				x := random(1, 37)
				x[at] = bad
				Softmax(x, 1, 37, 37, 1)
				if x[at] == x[at] {
					t.Fatalf("softmax of %g is %g, want NaN", bad, x[at])
				}
			}
		}
	})
}
