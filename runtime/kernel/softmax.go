package kernel

import "math"

// Softmax replaces each row of x, (rows, cols) with row stride ld, by the softmax of
// scale times the row.
func Softmax(x []float32, rows, cols, ld int, scale float32) {
	checkMatrix("Softmax: x", len(x), ld, rows, cols)
	if cols <= 0 {
		return
	}
	for r := 0; r < rows; r++ {
		softmax(x[r*ld:][:cols], scale)
	}
}

func softmaxGeneric(x []float32, scale float32) {
	highest := float32(math.Inf(-1))
	for i, v := range x {
		v *= scale
		x[i] = v
		highest = max(highest, v)
	}
	var sum float32
	for i, v := range x {
		e := exp32(v - highest)
		x[i] = e
		sum += e
	}
	scale = 1 / sum
	for i := range x {
		x[i] *= scale
	}
}
