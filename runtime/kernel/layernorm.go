package kernel

import (
	"math"
	"sync"
)

const (
	// LayerNorm, Add and Transpose are spread over the cores from this many elements
	// on: about 40 µs of one core with AVX-512, much longer than it takes to wake
	// another.
	parallelElements = 1 << 18
	// shareElements is the number of elements in a unit of LayerNorm or Add.
	shareElements = 1 << 15
)

// LayerNorm writes (x − mean)/√(variance + eps)·gamma + beta for each row of x, a
// contiguous (rows, cols), to dst, which may be x. gamma and beta are (cols). Many
// rows are spread over the cores.
func LayerNorm(dst Matrix, x []float32, rows, cols int, gamma, beta []float32, eps float32) {
	dst.check("LayerNorm: dst", rows, cols)
	checkLen("LayerNorm: x", len(x), rows*cols)
	checkLen("LayerNorm: gamma", len(gamma), cols)
	checkLen("LayerNorm: beta", len(beta), cols)
	if cols <= 0 {
		return
	}
	n := norms.Get().(*norm)
	*n = norm{dst: dst, x: x, rows: rows, cols: cols, gamma: gamma[:cols], beta: beta[:cols], eps: eps}
	n.units = n.shares()
	run(n, n.units, workers)
	*n = norm{}
	norms.Put(n)
}

// A norm is one call of LayerNorm. Its units are shares of the rows.
type norm struct {
	dst         Matrix
	x           []float32
	rows, cols  int
	gamma, beta []float32
	eps         float32
	units       int
}

var norms = sync.Pool{New: func() any { return new(norm) }}

// shares returns the number of units.
func (n *norm) shares() int {
	if n.rows*n.cols < parallelElements {
		return 1
	}
	return min(n.rows, n.rows*n.cols/shareElements)
}

func (n *norm) unit(_, unit int) {
	row, end := unit*n.rows/n.units, (unit+1)*n.rows/n.units
	if n.dst.BF16 == nil {
		for ; row < end; row++ {
			layerNorm(n.dst.F32[row*n.dst.Stride:][:n.cols], n.x[row*n.cols:][:n.cols], n.gamma, n.beta, n.eps)
		}
		return
	}
	b := bufferPool.Get().(*buffers)
	defer bufferPool.Put(b)
	normed := b.row(n.cols)
	for ; row < end; row++ {
		layerNorm(normed, n.x[row*n.cols:][:n.cols], n.gamma, n.beta, n.eps)
		storeBF16(n.dst.BF16[row*n.dst.Stride:][:n.cols], normed)
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
