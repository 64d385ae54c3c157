package nn

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Moments are sums over recorded passes from which a metric of the weights is made:
// how much a small change of each weight would change the answers of the models.
//
// Sums of symmetric matrices are upper triangles in float32. Those of a ViT-B take 650
// MB, and the error of adding some hundreds of passes is far below the effect of the
// choice of inputs.
type Moments struct {
	from, to int // layers of the plan
	plan     *Plan
	inputs   []upper     // by index in Plan.Layers, less from
	outputs  []upper     // likewise
	rows     []int       // likewise
	vectors  [][]float64 // by index in Plan.Vectors
	spans    int
	scratch  sync.Pool // of *layerRows
}

// layerRows are the rows of a layer that count, with the scratch of their products.
type layerRows struct {
	x, g []float32
	gram gram
}

// NewMoments returns empty sums for all layers of a plan.
func NewMoments(p *Plan) *Moments { return NewMomentsOf(p, 0, len(p.Layers)) }

// NewMomentsOf is NewMoments for the layers from from up to, not including, to, as
// the sums of all layers may not fit into memory. It has the sums of all vectors.
func NewMomentsOf(p *Plan, from, to int) *Moments {
	m := &Moments{from: from, to: to, plan: p, rows: make([]int, to-from)}
	m.scratch.New = func() any { return new(layerRows) }
	for _, l := range p.Layers[from:to] {
		m.inputs = append(m.inputs, newUpper(width(l)))
		m.outputs = append(m.outputs, newUpper(l.Rows()))
	}
	for _, v := range p.Vectors {
		m.vectors = append(m.vectors, make([]float64, v.Len()))
	}
	return m
}

// MomentsBytes returns the memory that the sums of a layer take.
func MomentsBytes(l Layer) int64 { return 4 * int64(upperLen(width(l))+upperLen(l.Rows())) }

// width returns the number of a layer's inputs, counting the bias's constant 1.
func width(l Layer) int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// Add adds a recorded pass after its Backward.
func (m *Moments) Add(t *Tape) {
	parallel(m.to-m.from, func(i int) { m.add(i, t.Layers[m.from+i]) })
	for i, gradients := range t.Vectors {
		sum := m.vectors[i]
		for k, g := range gradients {
			sum[k%len(sum)] += float64(g) * float64(g)
		}
	}
	m.spans += len(t.batch.spans)
}

// add adds the part of the i-th layer.
func (m *Moments) add(i int, t TapedLayer) {
	s := m.scratch.Get().(*layerRows)
	defer m.scratch.Put(s)
	l := m.plan.Layers[m.from+i]
	s.gather(l, t)
	rows := len(s.g) / l.Rows()
	m.rows[i] += rows
	s.gram.add(m.inputs[i], s.x, rows)
	s.gram.add(m.outputs[i], s.g, rows)
}

// gather copies the rows that the loss depends on, with the bias's 1 behind each
// input. Other rows, which a pass overwrites or never reads again, say nothing about
// what a change of the weights does.
func (s *layerRows) gather(l Layer, t TapedLayer) {
	s.x, s.g = s.x[:0], s.g[:0]
	for x, g := t.Input, t.Gradient; len(g) > 0; x, g = x[l.Cols():], g[l.Rows():] {
		row := g[:l.Rows()]
		if isZero(row) {
			continue
		}
		s.g = append(s.g, row...)
		s.x = append(s.x, x[:l.Cols()]...)
		if l.Bias {
			s.x = append(s.x, 1)
		}
	}
}

func isZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// Input returns, for the plan's i-th layer, the mean of [x;1][x;1]ᵀ over the rows that
// a loss depends on: the upper triangle, row by row, of (inputs+1, inputs+1), or
// without the 1 if the layer has no bias.
func (m *Moments) Input(i int) []float32 { return m.inputs[i-m.from].mean(m.rows[i-m.from]) }

// Output returns, in the same form, Σ ggᵀ over the rows of a span, averaged over
// spans, with g the gradient at the layer's output: (outputs, outputs).
func (m *Moments) Output(i int) []float32 { return m.outputs[i-m.from].mean(m.spans) }

// Vectors returns, by index in Plan.Vectors, the mean over spans of the squares of
// each span's own gradient.
func (m *Moments) Vectors() [][]float64 {
	out := make([][]float64, len(m.vectors))
	for i, sum := range m.vectors {
		out[i] = slices.Clone(sum)
		for k := range sum {
			out[i][k] /= float64(max(m.spans, 1))
		}
	}
	return out
}

// Counts are all that Moments hold besides the sums of the layers. Fits that are
// resumed read them from files, by these JSON names.
type Counts struct {
	Spans   int         `json:"images"`
	Rows    []int       `json:"rows"`    // by layer
	Vectors [][]float64 `json:"vectors"` // sums, by index in Plan.Vectors
}

// Counts returns the current counts, in memory that the next Add changes.
func (m *Moments) Counts() Counts { return Counts{m.spans, m.rows, m.vectors} }

// Sums returns the upper triangles of the i-th layer's sums, in memory that the next
// Add changes. A caller may write to them before it calls Restore.
func (m *Moments) Sums(i int) (input, output []float32) {
	return m.inputs[i-m.from].values, m.outputs[i-m.from].values
}

// Restore sets the counts that belong to sums written before. It reports false, and
// sets nothing, if they are counts of other layers.
func (m *Moments) Restore(c Counts) bool {
	if len(c.Rows) != len(m.rows) || len(c.Vectors) != len(m.vectors) {
		return false
	}
	for i, v := range c.Vectors {
		if len(v) != len(m.vectors[i]) {
			return false
		}
	}
	m.spans, m.rows, m.vectors = c.Spans, c.Rows, c.Vectors
	return true
}

// RandomLoss fills g with the gradient of a random loss, Σ logits·e with e standard
// normal. Averaged over many, the squares of its gradients are those of the logits.
func RandomLoss(g []float32, r *rand.Rand) {
	for i := range g {
		g[i] = float32(r.NormFloat64())
	}
}

// CentredLoss is RandomLoss with e − mean(e) in place of e: it leaves out a constant
// common to all logits, which no softmax depends on. A single logit is not compared with
// others and therefore not centred.
func CentredLoss(g []float32, r *rand.Rand) {
	RandomLoss(g, r)
	if len(g) == 1 {
		return
	}
	mean := float32(0)
	for _, x := range g {
		mean += x / float32(len(g))
	}
	for i := range g {
		g[i] -= mean
	}
}
