package nn_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// closeTo is how far apart logits of about one may be that differ in the order of
// their sums.
const closeTo = 5e-6

// TestSpansEqualSeparatePasses compares a pass of spans of unequal lengths, in groups of
// several variants, with one pass for each span. Rows are the same bit for bit.
//
// That takes spans of at least four rows: kernels with assembly multiply fewer rows in
// tiles that add up in another order. A head multiplies one row for each span, so
// there only the generic kernels compute the same bits in any batch.
func TestSpansEqualSeparatePasses(t *testing.T) {
	for _, dim := range []int{32, 40, 9} { // heads of whole steps of 32, of more, and of less than one
		m := newToy(t, 2, dim, 64, kernel.GELU)
		basis := m.basis(1)
		slab := func(p nn.Precision, seed uint64) *nn.Weights { return m.weights(t, p, seed) }
		factored := func(p nn.Precision, seed uint64) *nn.Weights {
			return m.factored(basis, p, slab(nn.Float32, seed), seed)
		}
		for name, variants := range map[string][3]*nn.Weights{
			"slab f32":      {slab(nn.Float32, 1), slab(nn.Float32, 2), slab(nn.Float32, 3)},
			"slab bf16":     {slab(nn.BFloat16, 1), slab(nn.BFloat16, 2), slab(nn.BFloat16, 3)},
			"factored f32":  {factored(nn.Float32, 1), factored(nn.Float32, 2), factored(nn.Float32, 3)},
			"factored bf16": {factored(nn.BFloat16, 1), factored(nn.BFloat16, 2), factored(nn.BFloat16, 3)},
			"mixed":         {factored(nn.Float32, 1), slab(nn.Float32, 2), factored(nn.Float32, 3)},
		} {
			t.Run(fmt.Sprintf("dim=%d/%s", dim, name), func(t *testing.T) {
				testSpans(t, m, variants)
			})
		}
	}
}

func testSpans(t *testing.T, m *toy, variants [3]*nn.Weights) {
	lengths := [3][]int{{4, 7, 7, 5}, {61}, {4, 4, 30}}
	x := inputs(7, slices.Concat(lengths[:]...)...)
	var groups []nn.Group
	for i, w := range variants {
		groups = append(groups, nn.Group{Spans: spans(lengths[i]...), Weights: w})
	}
	var all, one nn.Pass
	all.Begin(groups...)
	rows := slices.Clone(m.rows(&all, x))
	all.Begin(groups...)
	logits := m.forward(&all, x)
	for i, w := range variants {
		for _, n := range lengths[i] {
			group := nn.Group{Spans: spans(n), Weights: w}
			one.Begin(group)
			if want := m.rows(&one, x[:n*toyInputs]); !slices.Equal(rows[:n*m.width], want) {
				t.Errorf("variant %d: a span of %d rows differs from a pass of its own", i, n)
			}
			one.Begin(group)
			want := m.forward(&one, x[:n*toyInputs])[0]
			if d := furthest(logits[0], want); d > closeTo || d > 0 && kernel.ISA() == "generic" {
				t.Errorf("variant %d: logits of a span of %d rows differ by %g from a pass of its own", i, n, d)
			}
			x, rows, logits = x[n*toyInputs:], rows[n*m.width:], logits[1:]
		}
	}
}

// furthest returns the largest difference, infinite for NaN.
func furthest(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		if x := math.Abs(float64(a[i]) - float64(b[i])); x <= math.MaxFloat64 {
			d = max(d, x)
		} else {
			return math.Inf(1)
		}
	}
	return d
}

// An input that is split over passes has the positions that it has in one.
func TestParameterOfALaterSpan(t *testing.T) {
	m := newToy(t, 1, 8, 6, 0)
	w := m.weights(t, nn.Float32, 1)
	run := func(spans ...nn.Span) []float32 {
		var p nn.Pass
		p.Begin(nn.Group{Spans: spans, Weights: w})
		n := 0
		for _, s := range spans {
			n += s.Rows
		}
		x := make([]float32, n*m.width)
		m.start.Put(&p, x)
		m.positions.Add(&p, x)
		return x
	}
	whole := run(nn.Span{Rows: 6})
	for at := 1; at < 6; at++ {
		parts := slices.Concat(run(nn.Span{Rows: at}), run(nn.Span{Rows: 6 - at, Start: at}))
		if !slices.Equal(parts, whole) {
			t.Errorf("an input split at row %d differs from the whole", at)
		}
	}
	if got := run(nn.Span{Rows: 3, Start: 3}, nn.Span{Rows: 6}, nn.Span{Rows: 1, Start: 5}); !slices.Equal(got,
		slices.Concat(whole[3*m.width:], whole, whole[5*m.width:])) {
		t.Error("spans of one pass have each other's positions")
	}
}

func TestFirstAndLastGatherARowOfEachSpan(t *testing.T) {
	var p nn.Pass
	w := new(nn.Weights)
	p.Begin(nn.Group{Spans: spans(3), Weights: w}, nn.Group{Spans: spans(1, 2), Weights: w})
	x := []float32{1, 2, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10} // rows of 2
	if got := p.First(x, 2); !slices.Equal(got, []float32{1, 2, 5, 6, 7, 8}) {
		t.Errorf("first rows %v", got)
	}
	if got := p.Last(x, 2); !slices.Equal(got, []float32{3, 4, 5, 6, 9, 10}) {
		t.Errorf("last rows %v", got)
	}
	if p.Inputs() != 3 || p.Span(2) != (nn.Span{Rows: 2}) || len(p.Outputs()) != 3 {
		t.Errorf("%d inputs, the last %+v, %d outputs", p.Inputs(), p.Span(2), len(p.Outputs()))
	}
}

// What a pass cannot compute must panic rather than return a wrong answer.
func TestPassPanics(t *testing.T) {
	m := newToy(t, 1, 8, 6, 0)
	w := m.weights(t, nn.Float32, 1)
	for name, f := range map[string]func(p *nn.Pass){
		"a span of no rows":            func(p *nn.Pass) { p.Begin(nn.Group{Spans: []nn.Span{{}}, Weights: w}) },
		"a span from before its input": func(p *nn.Pass) { p.Begin(nn.Group{Spans: []nn.Span{{Rows: 1, Start: -1}}, Weights: w}) },
		"more rows than positions": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: spans(7), Weights: w})
			m.positions.Add(p, make([]float32, 7*m.width))
		},
		"a position beyond the last": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: []nn.Span{{Rows: 2, Start: 5}}, Weights: w})
			m.positions.Add(p, make([]float32, 2*m.width))
		},
		"attention to earlier rows": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: []nn.Span{{Rows: 2}, {Rows: 2, Start: 2}}, Weights: w})
			m.attention.Forward(p, nn.Float32s(make([]float32, 4*3*m.width), 3*m.width))
		},
		"attention to rows that are gathered": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: spans(2, 2), Weights: w})
			m.attention.Forward(p, nn.Float32s(make([]float32, 2*3*m.width), 3*m.width))
		},
		"an activation of other rows": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: spans(2, 2), Weights: w})
			m.norm.Forward(p, make([]float32, 3*m.width))
		},
		"rows gathered twice": func(p *nn.Pass) {
			p.Begin(nn.Group{Spans: spans(2, 2), Weights: w})
			p.First(make([]float32, 2*m.width), m.width)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f(new(nn.Pass))
		})
	}
}

func TestWarmPassOfUnequalSpansAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties sync.Pools at random")
	}
	m := newToy(t, 2, 32, 64, kernel.Identity) // an activation before an addition takes a copy
	w := m.weights(t, nn.Float32, 1)
	groups := []nn.Group{
		{Spans: spans(1, 5, 5, 30), Weights: w},
		{Spans: spans(2), Weights: m.factored(m.basis(1), nn.Float32, w, 2)},
	}
	x := inputs(1, 1, 5, 5, 30, 2)
	var pool nn.Pool
	pass := func() {
		p := pool.Begin(groups...)
		m.forward(p, x)
		p.Outputs()
		pool.End(p)
	}
	pass() // learns the size
	pass() // merges the blocks of memory
	if n := testing.AllocsPerRun(10, pass); n != 0 {
		t.Errorf("a warm pass allocates %v times", n)
	}
}
