package kernel

import (
	"math"
	"sync"
)

const (
	// LayerNorm and Add are spread over the cores from this many elements on:
	// some 40 µs of one core's AVX-512, beside which waking another is little.
	parallelElements = 1 << 18
	// shareElements is what a core takes at a time.
	shareElements = 1 << 15
)

// LayerNorm writes (x − mean)/√(variance + eps)·gamma + beta for each row of x,
// (rows, cols) without gaps, to dst, which may be x. gamma and beta are (cols).
// Many rows are spread over the cores.
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

// A norm is one call of LayerNorm under way; its units are shares of the rows.
type norm struct {
	dst         Matrix
	x           []float32
	rows, cols  int
	gamma, beta []float32
	eps         float32
	units       int
}

var norms = sync.Pool{New: func() any { return new(norm) }}

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
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	wide := room.wide(n.cols)
	for ; row < end; row++ {
		layerNorm(wide, n.x[row*n.cols:][:n.cols], n.gamma, n.beta, n.eps)
		narrow(n.dst.BF16[row*n.dst.Stride:][:n.cols], wide)
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

// Add adds x to dst; they are equally long. Long ones are spread over the cores.
func Add(dst, x []float32) {
	checkLen("Add: x", len(x), len(dst))
	if len(dst) < parallelElements {
		add(dst, x[:len(dst)])
		return
	}
	s := additions.Get().(*addition)
	*s = addition{dst: dst, x: x}
	run(s, (len(dst)+shareElements-1)/shareElements, workers)
	*s = addition{}
	additions.Put(s)
}

// An addition is one call of Add under way; its units are shares.
type addition struct{ dst, x []float32 }

var additions = sync.Pool{New: func() any { return new(addition) }}

func (s *addition) unit(_, unit int) {
	from, to := unit*shareElements, min((unit+1)*shareElements, len(s.dst))
	add(s.dst[from:to], s.x[from:to])
}
