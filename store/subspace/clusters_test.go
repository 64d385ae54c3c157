package subspace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"eigenserve/store"
)

// plain is a source with one layer.
type plain struct{ w []float32 }

func (p plain) Name() string                       { return "plain" }
func (p plain) Digest() string                     { return "" }
func (p plain) Read(_ string, dst []float32) error { copy(dst, p.w); return nil }

var plainLayout = store.Layout{Layers: []store.Layer{{Name: "l", Parts: []string{"l"}, Shape: []int{96, 96}}}}

// tuned returns base + far·δ with a random δ.
func tuned(base []float32, far float64, seed uint64) []float32 {
	r, out := rand.New(rand.NewPCG(7, seed)), slices.Clone(base)
	for i := range out {
		out[i] += float32(far * r.NormFloat64())
	}
	return out
}

func sketchesOf(t testing.TB, all ...[]float32) (out []Sketch) {
	t.Helper()
	for _, w := range all {
		s, err := SketchOf(plain{w}, plainLayout)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// Cosines and distances of sketches are close to those of the weights.
func TestSketchKeepsAngles(t *testing.T) {
	base := tuned(make([]float32, 96*96), 1, 1)
	for _, far := range []float64{0.01, 0.1, 1, 10} {
		w := tuned(base, far, 2)
		s := sketchesOf(t, w, base)
		var ww, bb, wb float64
		for i := range w {
			ww, bb, wb = ww+float64(w[i])*float64(w[i]), bb+float64(base[i])*float64(base[i]), wb+float64(w[i])*float64(base[i])
		}
		cosine, distance := wb/math.Sqrt(ww*bb), math.Sqrt((ww+bb-2*wb)/bb)
		if has := s[0].Cosine(s[1]); math.Abs(has-cosine) > 0.15*min(1, 2*(1-cosine)+1e-6) {
			t.Errorf("far %g: cosine %g, but %g of the sketches", far, cosine, has)
		}
		if has := s[0].Distance(s[1]); math.Abs(has/distance-1) > 0.15 {
			t.Errorf("far %g: distance %g, but %g of the sketches", far, distance, has)
		}
	}
}

func TestSketchIsLinear(t *testing.T) {
	a, b := tuned(make([]float32, 96*96), 1, 1), tuned(make([]float32, 96*96), 1, 2)
	mean := make([]float32, len(a))
	for i := range a {
		mean[i] = (a[i] + b[i]) / 2
	}
	s := sketchesOf(t, a, b, mean)
	if d := MeanSketch(s[:2]).Distance(s[2]); d > 1e-6 {
		t.Errorf("the distance of the sketch of the mean from the mean of the sketches is %g", d)
	}
}

func TestClusters(t *testing.T) {
	zero := make([]float32, 96*96)
	base, other := tuned(zero, 1, 1), tuned(zero, 1, 2)
	moved := tuned(base, 0.2, 3) // a model tuned from base
	line := func(n int) (out [][]float32) {
		for i := range n {
			w := slices.Clone(base)
			for k := range w {
				w[k] += float32(i) / float32(n) * moved[k]
			}
			out = append(out, w)
		}
		return out
	}
	family := func(base []float32, far float64, from, n int) (out [][]float32) {
		for i := range n {
			out = append(out, tuned(base, far, uint64(100+from+i)))
		}
		return out
	}
	for what, c := range map[string]struct {
		weights [][]float32
		sizes   []int
	}{
		"one":                        {family(base, 0.03, 0, 1), []int{1}},
		"one lineage":                {family(base, 0.03, 0, 12), []int{12}},
		"one lineage, three of them": {family(base, 0.03, 0, 3), []int{3}},
		"copies":                     {[][]float32{base, base, base, base, base, base, base, base}, []int{8}},
		"one lineage, some tuned five times as far": {slices.Concat(family(base, 0.03, 0, 8), family(base, 0.15, 50, 8)), []int{16}},
		"one lineage along a line":                  {line(12), []int{12}},
		"two lineages":                              {slices.Concat(family(base, 0.03, 0, 6), family(other, 0.03, 50, 5)), []int{6, 5}},
		"one of another lineage":                    {slices.Concat(family(base, 0.03, 0, 6), family(other, 0.03, 50, 1)), []int{6, 1}},
		"four lineages":                             {[][]float32{base, other, tuned(zero, 1, 9), tuned(zero, 2, 10)}, []int{1, 1, 1, 1}},
		"one lineage in two parts":                  {slices.Concat(family(base, 0.03, 0, 6), family(moved, 0.03, 50, 7)), []int{6, 7}},
		"one lineage, two tuned from a tuned model": {slices.Concat(family(base, 0.03, 0, 9), family(moved, 0.03, 50, 2)), []int{11}},
		"two lineages, one of them in two parts":    {slices.Concat(family(base, 0.03, 0, 6), family(other, 0.03, 50, 4), family(moved, 0.03, 70, 5)), []int{6, 5, 4}},
	} {
		t.Run(what, func(t *testing.T) {
			sketches := sketchesOf(t, c.weights...)
			groups := Clusters(sketches)
			var sizes, all []int
			for _, g := range groups {
				sizes, all = append(sizes, len(g)), append(all, g...)
			}
			slices.Sort(all)
			want := slices.Sorted(slices.Values(c.sizes))
			if got := slices.Sorted(slices.Values(sizes)); !slices.Equal(got, want) {
				t.Fatalf("groups of %v, want %v: %v", got, want, groups)
			}
			for i, k := range all {
				if i != k {
					t.Fatalf("not every checkpoint once: %v", groups)
				}
			}
			for _, g := range groups { // the members of each family are consecutive
				if len(c.sizes) > 1 && g[len(g)-1]-g[0] != len(g)-1 {
					t.Errorf("mixed: %v", groups)
				}
			}
			if again := Clusters(sketches); fmt.Sprint(again) != fmt.Sprint(groups) {
				t.Errorf("%v, then %v", groups, again)
			}
		})
	}
}
