package nn

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Moments sum up recorded passes into what a metric of the weights is made of:
// how much a small change of each weight would change what the models answer.
// Sums of symmetric matrices are held as upper halves in float32: of a ViT-B they
// take 650 MB, and the error of adding some hundreds is far below what the choice
// of images makes.
type Moments struct {
	from, to int // of Plan.Layers
	plan     *Plan
	inputs   []half      // by index in Plan.Layers from from on
	outputs  []half      // likewise
	vectors  [][]float64 // by index in Plan.Vectors
	rows     []int       // by layer
	images   int
	scratch  sync.Pool // of *summing
}

// summing is what one layer's rows are gathered and multiplied in.
type summing struct {
	x, g []float32
	gram gram
}

// NewMoments returns the sums of nothing, of all layers of a plan.
func NewMoments(p *Plan) *Moments { return NewMomentsOf(p, 0, len(p.Layers)) }

// NewMomentsOf is NewMoments of the layers from from to before to alone: the sums
// of all may take more memory than there is. Of vectors it has all.
func NewMomentsOf(p *Plan, from, to int) *Moments {
	m := &Moments{from: from, to: to, plan: p, rows: make([]int, to-from)}
	m.scratch.New = func() any { return new(summing) }
	for _, l := range p.Layers[from:to] {
		m.inputs = append(m.inputs, newHalf(width(l)))
		m.outputs = append(m.outputs, newHalf(l.Rows()))
	}
	for _, v := range p.Vectors {
		m.vectors = append(m.vectors, make([]float64, v.Len()))
	}
	return m
}

// MomentsBytes is what the moments of a layer take.
func MomentsBytes(l Layer) int64 { return 4 * int64(halfLen(width(l))+halfLen(l.Rows())) }

// width is the number of a layer's inputs, the bias's constant 1 among them.
func width(l Layer) int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// Add takes in a recorded pass that Backward has run through.
func (m *Moments) Add(t *Tape) {
	each(m.to-m.from, func(i int) { m.add(i, t.Layers[m.from+i]) })
	for i, gradients := range t.Vectors {
		sum := m.vectors[i]
		for k, g := range gradients {
			sum[k%len(sum)] += float64(g) * float64(g)
		}
	}
	m.images += t.images
}

// add takes in the i-th layer's own part.
func (m *Moments) add(i int, t Taped) {
	s := m.scratch.Get().(*summing)
	defer m.scratch.Put(s)
	l := m.plan.Layers[m.from+i]
	s.gather(l, t)
	rows := len(s.g) / l.Rows()
	m.rows[i] += rows
	s.gram.add(m.inputs[i], s.x, rows)
	s.gram.add(m.outputs[i], s.g, rows)
}

// gather copies the rows that an answer depends on, with the bias's 1 behind
// each input. The others, those of tokens that are overwritten or never read,
// say nothing of what a change of the weights would do.
func (s *summing) gather(l Layer, t Taped) {
	s.x, s.g = s.x[:0], s.g[:0]
	for x, g := t.Input, t.Gradient; len(g) > 0; x, g = x[l.Cols():], g[l.Rows():] {
		row := g[:l.Rows()]
		if zero(row) {
			continue
		}
		s.g = append(s.g, row...)
		s.x = append(s.x, x[:l.Cols()]...)
		if l.Bias {
			s.x = append(s.x, 1)
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

// Input is the upper half, row by row, of the mean of [x;1][x;1]ᵀ over the rows
// that an answer depends on, of the plan's i-th layer: (inputs+1, inputs+1), or
// without the 1 where the layer has no bias.
func (m *Moments) Input(i int) []float32 { return m.inputs[i-m.from].over(m.rows[i-m.from]) }

// Output is likewise Σ ggᵀ over one image's rows, averaged over images, with g
// the gradient at the layer's output: (outputs, outputs).
func (m *Moments) Output(i int) []float32 { return m.outputs[i-m.from].over(m.images) }

// Vectors are, by index in Plan.Vectors, the mean over images of the squares of
// each image's own gradient.
func (m *Moments) Vectors() [][]float64 {
	out := make([][]float64, len(m.vectors))
	for i, sum := range m.vectors {
		out[i] = slices.Clone(sum)
		for k := range sum {
			out[i][k] /= float64(max(m.images, 1))
		}
	}
	return out
}

// Counts is what Moments have counted, and summed up beside matrices: with the
// sums of the layers it is all that they hold.
type Counts struct {
	Images  int         `json:"images"`
	Rows    []int       `json:"rows"`    // by layer
	Vectors [][]float64 `json:"vectors"` // sums, by index in Plan.Vectors
}

// Counts are those up to now, in memory that the next Add changes.
func (m *Moments) Counts() Counts { return Counts{m.images, m.rows, m.vectors} }

// Sums are the upper halves of the i-th layer's sums, in memory that the next Add
// changes, and that may be written to for Restore.
func (m *Moments) Sums(i int) (input, output []float32) {
	return m.inputs[i-m.from].v, m.outputs[i-m.from].v
}

// Restore takes counts that go with sums which have been written; false, and
// nothing is taken, if they are of other layers.
func (m *Moments) Restore(c Counts) bool {
	if len(c.Rows) != len(m.rows) || len(c.Vectors) != len(m.vectors) {
		return false
	}
	for i, v := range c.Vectors {
		if len(v) != len(m.vectors[i]) {
			return false
		}
	}
	m.images, m.rows, m.vectors = c.Images, c.Rows, c.Vectors
	return true
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
