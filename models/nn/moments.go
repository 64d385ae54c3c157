package nn

import (
	"math/rand/v2"

	"eigenserve/runtime/kernel"
)

// Moments sum up recorded passes into what a metric of the weights is made of:
// how much a small change of each weight would change what the models answer.
// All matrices are symmetric, row-major, in float64, and whole after Average.
type Moments struct {
	// Inputs are, by index in Plan.Layers, the mean of [x;1][x;1]ᵀ over the rows
	// that an answer depends on, (inputs+1, inputs+1), or without the 1 where
	// the layer has no bias.
	Inputs [][]float64
	// Outputs are likewise Σ ggᵀ over one image's rows, averaged over images,
	// with g the gradient at the layer's output, (outputs, outputs).
	Outputs [][]float64
	// Vectors are, by index in Plan.Vectors, the mean over images of the squares
	// of each image's own gradient.
	Vectors [][]float64

	plan   *Plan
	rows   []int // by layer
	images int

	x, g, product []float32 // scratch
}

// NewMoments returns the sums of nothing.
func NewMoments(p *Plan) *Moments {
	m := &Moments{plan: p, rows: make([]int, len(p.Layers))}
	for _, l := range p.Layers {
		m.Inputs = append(m.Inputs, make([]float64, width(l)*width(l)))
		m.Outputs = append(m.Outputs, make([]float64, l.Rows()*l.Rows()))
	}
	for _, v := range p.Vectors {
		m.Vectors = append(m.Vectors, make([]float64, v.Len()))
	}
	return m
}

// width is the number of a layer's inputs, the bias's constant 1 among them.
func width(l Layer) int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// Add takes in a recorded pass that Backward has run through.
func (m *Moments) Add(t *Tape) {
	for i, l := range m.plan.Layers {
		m.gather(l, t.Layers[i])
		rows := len(m.g) / l.Rows()
		m.rows[i] += rows
		m.addGram(m.Inputs[i], m.x, rows)
		m.addGram(m.Outputs[i], m.g, rows)
	}
	for i, gradients := range t.Vectors {
		sum := m.Vectors[i]
		for k, g := range gradients {
			sum[k%len(sum)] += float64(g) * float64(g)
		}
	}
	m.images += t.images
}

// gather copies the rows that an answer depends on, with the bias's 1 behind
// each input. The others, those of tokens that are overwritten or never read,
// say nothing of what a change of the weights would do.
func (m *Moments) gather(l Layer, t Taped) {
	m.x, m.g = m.x[:0], m.g[:0]
	for x, g := t.Input, t.Gradient; len(g) > 0; x, g = x[l.Cols():], g[l.Rows():] {
		row := g[:l.Rows()]
		if zero(row) {
			continue
		}
		m.g = append(m.g, row...)
		m.x = append(m.x, x[:l.Cols()]...)
		if l.Bias {
			m.x = append(m.x, 1)
		}
	}
}

func zero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// addGram adds the upper half of xᵀx of x (rows, n) to sum (n, n): at a large
// layer the additions take longer than the product.
func (m *Moments) addGram(sum []float64, x []float32, rows int) {
	if rows == 0 {
		return
	}
	n := len(x) / rows
	if cap(m.product) < n*n {
		m.product = make([]float32, n*n)
	}
	product := m.product[:n*n]
	kernel.Gemm(true, false, n, n, rows, x, n, x, n, product, n, false)
	for r := range n {
		to := sum[r*n+r : (r+1)*n]
		for i, v := range product[r*n+r : (r+1)*n] {
			to[i] += float64(v)
		}
	}
}

// mirror fills the lower half of a symmetric matrix.
func mirror(a []float64, n int) {
	for r := range n {
		for c := range r {
			a[r*n+c] = a[c*n+r]
		}
	}
}

// Average turns the sums into means. It is called once, after the last Add.
func (m *Moments) Average() {
	for i, rows := range m.rows {
		mirror(m.Inputs[i], width(m.plan.Layers[i]))
		mirror(m.Outputs[i], m.plan.Layers[i].Rows())
		scale(m.Inputs[i], rows)
		scale(m.Outputs[i], m.images)
	}
	for _, v := range m.Vectors {
		scale(v, m.images)
	}
}

func scale(v []float64, count int) {
	for i := range v {
		v[i] /= float64(max(count, 1))
	}
}

// CentredLoss fills g with the gradient of a random loss, Σ logits·(e − mean(e))
// with e standard normal. Averaged over many, squares of its gradients are those
// of the logits up to a constant common to all of them, which no answer depends
// on. A single logit is not compared with others, and so not centred.
func CentredLoss(g []float32, r *rand.Rand) {
	mean := float32(0)
	for i := range g {
		g[i] = float32(r.NormFloat64())
		mean += g[i] / float32(len(g))
	}
	if len(g) == 1 {
		return
	}
	for i := range g {
		g[i] -= mean
	}
}
