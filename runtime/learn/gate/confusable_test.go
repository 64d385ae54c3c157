package gate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/runtime/learn/gate"
)

// headOf makes a head (labels,inputs+1) of rows and a bias.
func headOf(rows ...[]float32) []float32 {
	var out []float32
	for i, row := range rows {
		out = append(append(out, row...), float32(i))
	}
	return out
}

func TestLabelSimilarity(t *testing.T) {
	// Three rows as far apart as can be, at 120°, wherever their mean lies.
	third := func(turn float64) []float32 {
		return []float32{float32(5 + 2*math.Cos(turn)), float32(2 * math.Sin(turn)), 7}
	}
	apart := headOf(third(0), third(2*math.Pi/3), third(4*math.Pi/3))
	if x := gate.LabelSimilarity(apart, 3, 3); math.Abs(x) > 1e-5 {
		t.Errorf("rows as far apart as can be are alike by %g", x)
	}
	if x := gate.LabelSimilarity(headOf([]float32{1, 0}, []float32{-1, 0}), 2, 2); math.Abs(x) > 1e-5 {
		t.Errorf("two opposites are alike by %g", x)
	}
	// Two pairs, each of one direction: every label's nearest is its like.
	if x := gate.LabelSimilarity(headOf([]float32{1, 0}, []float32{1, 0}, []float32{-1, 0}, []float32{-1, 0}), 4, 2); math.Abs(x-4./3) > 1e-5 {
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
	if x, y := gate.LabelSimilarity(a, 5, 8), gate.LabelSimilarity(b, 5, 8); math.Abs(x-y) > 1e-5 {
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
		x := gate.Leniency(headOf(mixed...), 12, 16)
		if x > last || x < gate.MinLeniency || x > gate.MaxLeniency {
			t.Errorf("leniency %g where labels are %g alike, %g where less", x, share, last)
		}
		last = x
	}
	if last != gate.MinLeniency {
		t.Errorf("leniency %g for pairs of the same labels", last)
	}
	if x := gate.Leniency(make([]float32, 7*4), 7, 3); x-x != 0 || x < gate.MinLeniency {
		t.Errorf("leniency %g for a head of zeros", x)
	}
	for labels := 1; labels < 3; labels++ {
		if x := gate.Leniency(make([]float32, labels*4), labels, 3); x != 1 {
			t.Errorf("leniency %g for %d labels", x, labels)
		}
	}
}
