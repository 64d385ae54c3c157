package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// toy is a small architecture with a layer of each kind. Its inputs are rows of
// toyInputs values. What it answers depends on the first and the last row of an input.
type toy struct {
	plan             *nn.Plan
	width            int
	in, qkv          nn.Linear
	mix, join        nn.Linear
	start, positions nn.Parameter
	attention        nn.Attention
	norm, lastNorm   nn.LayerNorm
	out              nn.Head
}

const toyInputs, toyLabels = 5, 3

// newToy declares a toy for inputs of at most so many rows, with an activation after
// the attention.
func newToy(t testing.TB, heads, dim, positions int, a nn.Activation) *toy {
	t.Helper()
	b, width := nn.NewBuilder(), heads*dim
	attention := nn.Attention{Heads: heads, Dim: dim}
	m := &toy{
		width:     width,
		in:        b.Linear("in", true, width, toyInputs),
		start:     b.Parameter("start", width),
		positions: b.Parameter("positions", positions, width),
		norm:      b.LayerNorm("norm", width, 1e-5),
		qkv:       attention.QKV(b.Stacked("qkv", []string{"q", "k", "v"}, true, width, width)),
		attention: attention,
		mix:       b.Linear("mix", true, width, width).WithActivation(a),
		lastNorm:  b.LayerNorm("last", width, 1e-5),
		join:      b.Linear("join", true, width, width),
		out:       b.Head("out", true, width),
	}
	var err error
	if m.plan, err = b.Plan(); err != nil {
		t.Fatal(err)
	}
	return m
}

// rows maps x (rows, toyInputs) to (rows, width).
func (m *toy) rows(p *nn.Pass, x []float32) []float32 {
	h := m.in.ForwardFloat32(p, nn.Float32s(x, toyInputs))
	m.start.Put(p, h)
	m.positions.Add(p, h)
	defer p.Free(p.Mark())
	m.mix.ForwardAdd(p, h, m.attention.Forward(p, m.qkv.Forward(p, m.norm.Forward(p, h))))
	return h
}

// forward maps x (rows, toyInputs) to one slice of logits for each span.
func (m *toy) forward(p *nn.Pass, x []float32) [][]float32 {
	h := m.rows(p, x)
	first, last := p.First(h, m.width), p.Last(h, m.width)
	m.join.ForwardAdd(p, first, m.lastNorm.Forward(p, last))
	return m.out.Forward(p, first)
}

// weights returns random weights in a slab.
func (m *toy) weights(t testing.TB, precision nn.Precision, seed uint64) *nn.Weights {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	random := func(name string, dst []float32) error {
		gaussian(r, dst, 1/math.Sqrt(float64(m.width)))
		return nil
	}
	plan := m.plan.In(precision)
	slab := make([]float32, plan.SlabLen())
	if err := plan.Load(slab, random); err != nil {
		t.Fatal(err)
	}
	w := plan.Bind(slab)
	err := plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		if name == "out.bias" {
			v := make([]float32, toyLabels)
			return v, []int{toyLabels}, random(name, v)
		}
		v := make([]float32, toyLabels*m.width)
		return v, []int{toyLabels, m.width}, random(name, v)
	})
	if err != nil {
		t.Fatal(err)
	}
	return &w
}

// basis returns a random basis of the toy.
func (m *toy) basis(seed uint64) []kernel.Layer {
	r := rand.New(rand.NewPCG(seed, 3))
	bf16 := func(v []float32) []uint16 {
		out := make([]uint16, len(v))
		for i, x := range v {
			out[i] = uint16(math.Float32bits(x) >> 16)
		}
		return out
	}
	packed := func(n, k int) []uint16 {
		v := make([]float32, n*k)
		gaussian(r, v, 1/math.Sqrt(float64(k)))
		panels := make([]float32, kernel.PackedLen(n, k))
		kernel.Pack(panels, v, k, n, k)
		return bf16(panels)
	}
	var layers []kernel.Layer
	for _, l := range m.plan.Layers {
		rows, cols := l.Rows(), l.Cols()
		b := kernel.Layer{M: rows, N: cols, P: 7, Q: 4, Bias: true, MeanType: kernel.BF16, MeanBias: make([]float32, rows)}
		b.Mean, b.Left = packed(rows, cols), packed(rows, b.P)
		right := make([]float32, (cols+1)*b.Q)
		gaussian(r, right, 1/math.Sqrt(float64(cols)))
		b.Right = bf16(right)
		layers = append(layers, b)
	}
	return layers
}

// factored returns weights that are random coefficients over a basis, with the vectors
// and heads of others.
func (m *toy) factored(basis []kernel.Layer, precision nn.Precision, w *nn.Weights, seed uint64) *nn.Weights {
	r := rand.New(rand.NewPCG(seed, 4))
	f := &nn.Factored{Basis: basis, Precision: precision}
	for _, l := range basis {
		c := kernel.Core{Starts: []int32{0}}
		for q := range l.Q {
			if r.IntN(2) == 0 {
				continue
			}
			c.Rights = append(c.Rights, int32(q))
			for p := range l.P {
				if r.IntN(2) == 0 {
					c.Lefts, c.Values = append(c.Lefts, int32(p)), append(c.Values, float32(r.NormFloat64()/4))
				}
			}
			c.Starts = append(c.Starts, int32(len(c.Lefts)))
		}
		f.Cores = append(f.Cores, c)
	}
	return &nn.Weights{Factored: f, Vectors: w.Vectors, Heads: w.Heads}
}

// inputs returns random rows for spans of some lengths.
func inputs(seed uint64, lengths ...int) []float32 {
	n := 0
	for _, l := range lengths {
		n += l
	}
	x := make([]float32, n*toyInputs)
	gaussian(rand.New(rand.NewPCG(seed, 5)), x, 1)
	return x
}

// spans returns spans of some lengths, each of a whole input.
func spans(lengths ...int) []nn.Span {
	out := make([]nn.Span, len(lengths))
	for i, n := range lengths {
		out[i].Rows = n
	}
	return out
}

func gaussian(r *rand.Rand, dst []float32, scale float64) {
	for i := range dst {
		dst[i] = float32(r.NormFloat64() * scale)
	}
}
