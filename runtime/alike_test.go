package runtime

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/store/tensorfile"
)

// headOf makes a head (labels,inputs+1) of rows and a bias.
func headOf(rows ...[]float32) []float32 {
	var out []float32
	for i, row := range rows {
		out = append(append(out, row...), float32(i))
	}
	return out
}

func TestAlikeness(t *testing.T) {
	// Three rows as far apart as can be, at 120°, wherever their mean lies.
	third := func(turn float64) []float32 {
		return []float32{float32(5 + 2*math.Cos(turn)), float32(2 * math.Sin(turn)), 7}
	}
	apart := headOf(third(0), third(2*math.Pi/3), third(4*math.Pi/3))
	if x := alikeness(apart, 3, 3); math.Abs(x) > 1e-5 {
		t.Errorf("rows as far apart as can be are alike by %g", x)
	}
	if x := alikeness(headOf([]float32{1, 0}, []float32{-1, 0}), 2, 2); math.Abs(x) > 1e-5 {
		t.Errorf("two opposites are alike by %g", x)
	}
	// Two pairs, each of one direction: every label's nearest is its like.
	if x := alikeness(headOf([]float32{1, 0}, []float32{1, 0}, []float32{-1, 0}, []float32{-1, 0}), 4, 2); math.Abs(x-4./3) > 1e-5 {
		t.Errorf("two pairs of the same rows are alike by %g, want 4/3", x)
	}
	// Neither the length of all rows nor their bias tells anything.
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]float32, 5*9), make([]float32, 5*9)
	for i := range a {
		a[i] = float32(r.NormFloat64())
		if b[i] = 3 * a[i]; i%9 == 8 {
			b[i] = float32(r.NormFloat64())
		}
	}
	if x, y := alikeness(a, 5, 8), alikeness(b, 5, 8); math.Abs(x-y) > 1e-5 {
		t.Errorf("alike by %g, three times as long by %g", x, y)
	}
}

func TestLeniency(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([][]float32, 12)
	for i := range rows {
		rows[i] = make([]float32, 16)
		for k := range rows[i] {
			rows[i][k] = float32(r.NormFloat64())
		}
	}
	last := math.Inf(1)
	// The second half of the labels comes to look like the first.
	for _, share := range []float32{0, 0.5, 0.7, 0.8, 0.9, 1} {
		var mixed [][]float32
		for i, row := range rows {
			row := append([]float32(nil), row...)
			if i >= 6 {
				for k := range row {
					row[k] += share * (rows[i-6][k] - row[k])
				}
			}
			mixed = append(mixed, row)
		}
		x := leniency(headOf(mixed...), 12, 16)
		if x > last || x < leastLeniency || x > mostLeniency {
			t.Errorf("leniency %g where labels are %g alike, %g where less", x, share, last)
		}
		last = x
	}
	if last != leastLeniency {
		t.Errorf("leniency %g for pairs of the same labels", last)
	}
	if x := leniency(make([]float32, 7*4), 7, 3); x-x != 0 || x < leastLeniency {
		t.Errorf("leniency %g for a head of zeros", x)
	}
	for labels := 1; labels < 3; labels++ {
		if x := leniency(make([]float32, labels*4), labels, 3); x != 1 {
			t.Errorf("leniency %g for %d labels", x, labels)
		}
	}
}

// What a gate allows by default depends on the head; what is asked for does not.
func TestGateLooksAtTheHead(t *testing.T) {
	eng := tinyEngine(t, Options{})
	f, _, err := eng.current(tinyFamily)
	must(err)
	c := newTiny(77, 4)
	asked := func(g Gate) float64 {
		t.Helper()
		if _, _, err := eng.Add(context.Background(), tinyFamily, "new", c.open(t, "new"), g); err != nil {
			t.Fatal(err)
		}
		d, err := eng.Variant("new")
		must(err)
		return d.Fidelity.Measured.MaxKL
	}
	s, m, err := f.admit(c.open(t, "new"))
	must(err)
	h := f.plan.Heads()[0]
	head, labels, err := joinHead(h, s.private)
	must(err)
	if labels != len(m.Labels()) {
		t.Fatalf("%d labels", labels)
	}
	usual := DefaultShare * f.basis.Divergence
	lenient := leniency(head, labels, h.Inputs)
	if got := asked(Gate{MinAgreement: -1, MaxBytes: 1 << 30}); got != digits(usual*lenient) {
		t.Errorf("asked for %g, want %g", got, usual*lenient)
	}
	// A head whose first two labels are nearly one.
	w := c.tensors[h.Weight]
	values := make([]float32, w.Len())
	must(w.Float32(values))
	for k := range h.Inputs {
		values[h.Inputs+k] = values[k] + 1e-3*float32(k)
	}
	c.tensors[h.Weight] = tensorfile.FromFloat32(w.DType, w.Shape, values)
	if got := asked(Gate{MinAgreement: -1, MaxBytes: 1 << 30}); !(got < 0.9*usual*lenient) {
		t.Errorf("labels that look alike are allowed %g, others %g", got, usual*lenient)
	}
	if got := asked(Gate{MinAgreement: -1, MaxBytes: 1 << 30, MaxKL: 0.03}); got != 0.03 {
		t.Errorf("asked for %g, not what was said", got)
	}
}
