package subspace_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"

	"github.com/google/go-cmp/cmp"
)

// unrounded projects a checkpoint.
func unrounded(t *testing.T, p *subspace.Projector, s subspace.Source, step float64) *subspace.Unrounded {
	t.Helper()
	c, err := p.Project(s)
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Unrounded(c, step)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Unchanged values are encoded as Quantise encodes the coefficients. Changed values are
// encoded too.
func TestUnroundedEncode(t *testing.T) {
	sources := lineage(mixed(), 4, 1)
	for _, o := range []subspace.Options{{}, {Rank: 5}, {Metric: randomMetric(mixed(), subspace.MetricFull, 1)}} {
		b := fit(t, mixed(), sources, o)
		p := projector(t, b)
		for _, step := range []float64{0.01, 1, 20} {
			u := unrounded(t, p, sources[0], step)
			var got store.Variant
			if err := u.Encode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*quantised(t, p, sources[0], step), got); diff != "" {
				t.Errorf("step %g: %s", step, diff)
			}
			u.Values[0][3], u.Values[len(u.Values)-1][2] = -7, 5
			if err := u.Encode(&got); err != nil {
				t.Fatal(err)
			}
			values, err := subspace.Decode(b, &got)
			if err != nil {
				t.Fatal(err)
			}
			left, right := b.Layers[0].Directions()
			if q := spread(values.Layers[0], left, right)[3]; q != -7 {
				t.Errorf("step %g: -7 is read as %d", step, q)
			}
			if q := values.Vectors[len(values.Vectors)-1][2]; q != 5 {
				t.Errorf("step %g: 5 is read as %d", step, q)
			}
			for i := range b.Layers {
				var s rans.Sparse
				u.Sparse(i, &s)
				left, right := b.Layers[i].Directions()
				if diff := cmp.Diff(spread(values.Layers[i], left, right), spread(s, left, right)); diff != "" {
					t.Errorf("step %g, layer %d: the encoded and the rounded integers differ: %s", step, i, diff)
				}
			}
		}
	}
}

// A rebuild is linear in the coefficients. So changing a coefficient by one step changes a
// weighted sum of the weights by exactly its gradient times the step.
func TestGradient(t *testing.T) {
	layout := one(9, 6)
	sources := lineage(layout, 4, 1)
	b := fit(t, layout, sources, subspace.Options{Metric: randomMetric(layout, subspace.MetricFull, 1)})
	p := projector(t, b)
	u := unrounded(t, p, sources[0], 1)
	r := rand.New(rand.NewPCG(1, 1))
	dw := make([]float32, 9*7)
	for i := range dw {
		dw[i] = float32(r.NormFloat64())
	}
	sum := func() float64 {
		var v store.Variant
		if err := u.Encode(&v); err != nil {
			t.Fatal(err)
		}
		got, total := rebuilt(t, b, &v), 0.0
		for i := range 9 {
			for k := range 6 {
				total += float64(dw[i*7+k]) * float64(got["layer.weight"][i*6+k])
			}
			total += float64(dw[i*7+6]) * float64(got["layer.bias"][i])
		}
		return total
	}
	dc := make([]float32, len(u.Values[0]))
	if err := u.Gradient(0, dc, dw); err != nil {
		t.Fatal(err)
	}
	for k := range dc {
		was := u.Values[0][k]
		u.Values[0][k] = 100
		up := sum()
		u.Values[0][k] = -100
		got, want := (up-sum())/200, float64(dc[k])*u.Step()
		if u.Values[0][k] = was; math.Abs(got-want) > 1e-4*math.Max(1, math.Abs(want)) {
			t.Errorf("coefficient %d: %g, but its gradient is %g", k, got, want)
		}
	}
}
