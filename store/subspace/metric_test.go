package subspace_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store"
	"eigenserve/store/subspace"
)

// randomMetric returns a metric in which some directions cost a thousand times more than others.
func randomMetric(l store.Layout, kind string, seed uint64) *subspace.Metric {
	r := rand.New(rand.NewPCG(seed, 21))
	var layers []subspace.LayerMetric
	for _, layer := range l.Layers {
		layers = append(layers, subspace.LayerMetric{Input: upper(moments(r, layer.Width())), Output: upper(moments(r, layer.Rows()))})
	}
	m := &subspace.Metric{Kind: kind, Layer: subspace.InMemory(layers)}
	for _, v := range l.Vectors {
		d := make([]float64, v.Len())
		for i := range d {
			d[i] = math.Exp(2 * r.NormFloat64())
		}
		m.Vectors = append(m.Vectors, d)
	}
	return m
}

// moments returns a random symmetric matrix with eigenvalues from 1 to 1000.
func moments(r *rand.Rand, n int) []float64 {
	a := make([]float64, n*n)
	for _, c := range orthonormal(r, n, n) {
		cost := math.Pow(1000, r.Float64())
		for i := range n {
			for j := range n {
				a[i*n+j] += cost * c[i] * c[j]
			}
		}
	}
	return a
}

// upper returns the upper half of a symmetric matrix.
func upper(a []float64) (half []float32) {
	n := int(math.Sqrt(float64(len(a))))
	for r := range n {
		for c := r; c < n; c++ {
			half = append(half, float32(a[r*n+c]))
		}
	}
	return half
}

// whole is the inverse of upper.
func whole(half []float32, n int) []float64 {
	a := make([]float64, n*n)
	for r := range n {
		for c := r; c < n; c++ {
			a[r*n+c], a[c*n+r] = float64(half[0]), float64(half[0])
			half = half[1:]
		}
	}
	return a
}

// layerOf returns the metric of one layer.
func layerOf(t *testing.T, m *subspace.Metric, i int) subspace.LayerMetric {
	t.Helper()
	l, err := m.Layer(i)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// damped returns a symmetric matrix with the damping that a fit adds.
func damped(a []float64, n int) []float64 {
	out, mean := append([]float64(nil), a...), 0.0
	for i := range n {
		mean += a[i*n+i] / float64(n)
	}
	for i := range n {
		out[i*n+i] += 0.01 * mean
	}
	return out
}

// cost returns the trace of G·E·A·Eᵀ for E (m,width).
func cost(e, a, g []float64, m, width int) float64 {
	ea := make([]float64, m*width)
	for i := range m {
		for j := range width {
			for k := range width {
				ea[i*width+j] += e[i*width+k] * a[k*width+j]
			}
		}
	}
	sum := 0.0
	for i := range m {
		for k := range m {
			for j := range width {
				sum += g[i*m+k] * ea[k*width+j] * e[i*width+j]
			}
		}
	}
	return sum
}

// The squared error of the coefficients is the cost of the rebuilt layer in the metric, up to
// the rounding of the directions to 16 bits.
func TestCoefficientErrorIsCost(t *testing.T) {
	l := one(12, 9)
	sources := lineage(l, 30, 8)
	metric := randomMetric(l, subspace.MetricFull, 1)
	b := fit(t, l, sources, subspace.Options{Metric: metric})
	if b.Metric != subspace.MetricFull {
		t.Errorf("the metric of the basis is %q", b.Metric)
	}
	first := layerOf(t, metric, 0)
	a, g := damped(whole(first.Input, 10), 10), damped(whole(first.Output, 12), 12)
	p := projector(t, b)
	total := 0.0
	for _, s := range sources {
		c, err := p.Project(s)
		if err != nil {
			t.Fatal(err)
		}
		v := quantised(t, p, s, 1)
		decoded, err := subspace.Decode(b, v)
		if err != nil {
			t.Fatal(err)
		}
		rest := append([]float32(nil), c.Layers[0]...)
		q := &decoded.Layers[0]
		for k, j := range q.Rights {
			for at := q.Starts[k]; at < q.Starts[k+1]; at++ {
				rest[int(j)*12+int(q.Lefts[at])] -= float32(float64(q.Q[at]) * v.Step)
			}
		}
		off := 0.0
		for i, x := range rest {
			off += float64(x) * float64(x)
			total += float64(c.Layers[0][i]) * float64(c.Layers[0][i])
		}
		w, r := s.(*memory).tensors, rebuilt(t, b, v)
		e := make([]float64, 12*10)
		for i := range 12 {
			for j := range 9 {
				e[i*10+j] = float64(w["layer.weight"][i*9+j]) - float64(r["layer.weight"][i*9+j])
			}
			e[i*10+9] = float64(w["layer.bias"][i]) - float64(r["layer.bias"][i])
		}
		if got := cost(e, a, g, 12, 10); math.Abs(got/off-1) > 0.05 {
			t.Errorf("%s: cost %g, but squared error %g of the coefficients", s.Name(), got, off)
		}
	}
	if want := math.Sqrt(total / float64(30*120)); math.Abs(b.RMS/want-1) > 0.05 {
		t.Errorf("RMS is %g, want %g", b.RMS, want)
	}
}

// At full rank a metric changes the cost of a step, but not the limit.
func TestLimitOfAnyMetric(t *testing.T) {
	l := mixed()
	all := lineage(l, 6, 9)
	for _, kind := range []string{subspace.MetricInput, subspace.MetricFull} {
		p := projector(t, fit(t, l, all[1:], subspace.Options{Metric: randomMetric(l, kind, 2)}))
		for _, s := range all {
			v := quantised(t, p, s, 1e-6) // the metric makes the coefficients some hundred times larger than the deltas
			if far := maxDifference(t, s.(*memory).tensors, rebuilt(t, p.Basis(), v)); far > 5*exact {
				t.Errorf("%s, %s: off by %g", kind, s.Name(), far)
			}
		}
	}
}

// A multiple of the identity as a metric gives the same directions as no metric.
func TestIdentityMetric(t *testing.T) {
	l := one(5, 4)
	sources := lineage(l, 6, 10)
	input, output := make([]float64, 25), make([]float64, 25)
	for i := range 5 {
		input[i*6], output[i*6] = 4, 9
	}
	m := &subspace.Metric{Kind: subspace.MetricFull, Layer: subspace.InMemory([]subspace.LayerMetric{{Input: upper(input), Output: upper(output)}})}
	with, without := fit(t, l, sources, subspace.Options{Metric: m}), fit(t, l, sources, subspace.Options{})
	if r := with.RMS / without.RMS; math.Abs(r-6*1.01) > 1e-4 {
		t.Errorf("coefficients are %g times as large, want 6 and the damping", r)
	}
	for _, s := range sources {
		a, b := quantised(t, projector(t, with), s, 1), quantised(t, projector(t, without), s, 1)
		// The moments are shrunk, which can change the code by a word.
		if d := len(a.Coefficients) - len(b.Coefficients); d < -4 || d > 4 || math.Abs(a.Fidelity.Energy-b.Fidelity.Energy) > 0.02 {
			t.Errorf("%s: %d bytes and %d, energy %g and %g", s.Name(), len(a.Coefficients), len(b.Coefficients), a.Fidelity.Energy, b.Fidelity.Energy)
		}
	}
}

func TestVectorScales(t *testing.T) {
	l := store.Layout{Layers: one(3, 2).Layers, Vectors: []store.Vector{{Name: "v", Shape: []int{3}}}}
	m := randomMetric(l, subspace.MetricInput, 3)
	m.Vectors[0] = []float64{1, 4, 1}
	b := fit(t, l, lineage(l, 3, 1), subspace.Options{Metric: m})
	for i, d := range []float64{1.02, 4.02, 1.02} {
		if got := float64(b.Vectors[0].Scale[i]); math.Abs(got*math.Sqrt(d)-1) > 1e-6 {
			t.Errorf("scale %d is %g", i, got)
		}
	}
}

func TestMetricRefusals(t *testing.T) {
	l := mixed()
	// with replaces the metric of the first layer.
	with := func(m *subspace.Metric, change func(*subspace.LayerMetric)) {
		first := layerOf(t, m, 0)
		change(&first)
		m.Layer = subspace.InMemory([]subspace.LayerMetric{first, layerOf(t, m, 1), layerOf(t, m, 2)})
	}
	for what, damage := range map[string]func(*subspace.Metric){
		"no kind":    func(m *subspace.Metric) { m.Kind = "" },
		"MetricNone": func(m *subspace.Metric) { m.Kind = subspace.MetricNone },
		"no layers":  func(m *subspace.Metric) { m.Layer = nil },
		"one layer too few": func(m *subspace.Metric) {
			m.Layer = subspace.InMemory([]subspace.LayerMetric{layerOf(t, m, 0), layerOf(t, m, 1)})
		},
		"one vector too few": func(m *subspace.Metric) { m.Vectors = m.Vectors[1:] },
		"an input without the bias": func(m *subspace.Metric) {
			with(m, func(l *subspace.LayerMetric) { l.Input = l.Input[:6*7/2] })
		},
		"the output of one part":       func(m *subspace.Metric) { with(m, func(l *subspace.LayerMetric) { l.Output = l.Output[:10] }) },
		"a short vector":               func(m *subspace.Metric) { m.Vectors[0] = m.Vectors[0][1:] },
		"a negative cost":              func(m *subspace.Metric) { with(m, func(l *subspace.LayerMetric) { l.Input[0] = -1e6 }) },
		"a cost of NaN":                func(m *subspace.Metric) { with(m, func(l *subspace.LayerMetric) { l.Output[0] = float32(math.NaN()) }) },
		"an infinite cost of a vector": func(m *subspace.Metric) { m.Vectors[1][0] = math.Inf(1) },
	} {
		t.Run(what, func(t *testing.T) {
			m := randomMetric(l, subspace.MetricFull, 4)
			damage(m)
			_, err := subspace.Fit(context.Background(), "family", l, lineage(l, 2, 1), subspace.Options{Metric: m})
			if !errors.Is(err, subspace.ErrOptions) {
				t.Errorf("%v is not ErrOptions", err)
			}
		})
	}
}

// Data of low rank has the same rank in any metric, and a fit of that rank recovers it up to
// the rounding of the directions to 16 bits.
func TestLowRankWithMetric(t *testing.T) {
	sources := lowRank(24, 17, 3, 3, 8)
	b := fit(t, one(24, 17), sources, subspace.Options{Rank: 3, Metric: randomMetric(one(24, 17), subspace.MetricFull, 5)})
	p := projector(t, b)
	for _, s := range sources {
		v := quantised(t, p, s, 1e-4)
		if far := maxDifference(t, s.(*memory).tensors, rebuilt(t, b, v)); far > 1.0/64 {
			t.Errorf("%s is off by %g", s.Name(), far)
		}
	}
}
