package kernel

import "math"

// LayerNorm writes (x − mean)/√(variance + eps)·gamma + beta for each row of x,
// (rows, cols) without gaps, to dst, which may be x. gamma and beta are (cols).
func LayerNorm(dst, x []float32, rows, cols int, gamma, beta []float32, eps float32) {
	checkLen("LayerNorm: dst", len(dst), rows*cols)
	checkLen("LayerNorm: x", len(x), rows*cols)
	checkLen("LayerNorm: gamma", len(gamma), cols)
	checkLen("LayerNorm: beta", len(beta), cols)
	if cols <= 0 {
		return
	}
	for r := 0; r < rows; r++ {
		layerNorm(dst[r*cols:][:cols], x[r*cols:][:cols], gamma[:cols], beta[:cols], eps)
	}
}

func layerNormGeneric(dst, x, gamma, beta []float32, eps float32) {
	dst, gamma, beta = dst[:len(x)], gamma[:len(x)], beta[:len(x)]
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	var squares float64
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	scale := float32(1 / math.Sqrt(squares/float64(len(x))+float64(eps)))
	m := float32(mean)
	for i, v := range x {
		dst[i] = (v-m)*scale*gamma[i] + beta[i]
	}
}

// Softmax replaces each row of x, (rows, cols) with row stride ld, by the
// softmax of scale times it.
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
	most := float32(math.Inf(-1))
	for i, v := range x {
		v *= scale
		x[i] = v
		most = max(most, v)
	}
	var sum float32
	for i, v := range x {
		e := exp32(v - most)
		x[i] = e
		sum += e
	}
	scale = 1 / sum
	for i := range x {
		x[i] *= scale
	}
}

// Add adds x to dst; they are equally long.
func Add(dst, x []float32) {
	checkLen("Add: x", len(x), len(dst))
	add(dst, x[:len(dst)])
}
