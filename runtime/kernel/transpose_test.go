package kernel

import (
	"slices"
	"testing"
)

// transposed returns the transpose of x (rows, cols).
func transposed(x []float32, rows, cols int) []float32 {
	dst := make([]float32, len(x))
	Transpose(dst, x, rows, cols)
	return dst
}

func TestTranspose(t *testing.T) {
	for _, s := range [][2]int{{0, 5}, {1, 1}, {1, 40}, {16, 16}, {17, 15}, {33, 70}, {600, 513}} { // the last in parallel
		rows, cols := s[0], s[1]
		x, got := random(1, rows*cols), dirty(rows*cols)
		Transpose(got, x, rows, cols)
		for i, v := range got {
			if want := x[i%rows*cols+i/rows]; v != want {
				t.Fatalf("%v: element %d is %g, want %g", s, i, v, want)
			}
		}
		if back := transposed(got, cols, rows); !slices.Equal(back, x) {
			t.Fatalf("%v: the transpose of the transpose differs", s)
		}
	}
}

func TestTransposePanicsOnShortSlices(t *testing.T) {
	mustPanic(t, func() { Transpose(make([]float32, 5), make([]float32, 6), 2, 3) })
	mustPanic(t, func() { Transpose(make([]float32, 6), make([]float32, 5), 2, 3) })
}
