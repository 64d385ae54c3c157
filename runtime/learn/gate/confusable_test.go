package gate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"eigenserve/runtime/learn/gate"
)

// headOf returns a head (labels, inputs+1) of rows and a bias.
func headOf(rows ...[]float32) []float32 {
	var out []float32
	for i, row := range rows {
		out = append(append(out, row...), float32(i))
	}
	return out
}

func TestLabelSimilarity(t *testing.T) {
	// onCircle returns a point of a circle that is not around the origin.
	onCircle := func(angle float64) []float32 {
		return []float32{float32(5 + 2*math.Cos(angle)), float32(2 * math.Sin(angle)), 7}
	}
	right, left := []float32{1, 0}, []float32{-1, 0}
	for _, c := range []struct {
		name           string
		head           []float32
		labels, inputs int
		want           float64
	}{
		{"three rows as far apart as possible", headOf(onCircle(0), onCircle(2*math.Pi/3), onCircle(4*math.Pi/3)), 3, 3, 0},
		{"two opposite rows", headOf(right, left), 2, 2, 0},
		{"two pairs of equal rows", headOf(right, right, left, left), 4, 2, 4. / 3},
	} {
		if got := gate.LabelSimilarity(c.head, c.labels, c.inputs); math.Abs(got-c.want) > 1e-5 {
			t.Errorf("%s: similarity %g, want %g", c.name, got, c.want)
		}
	}
}

// TestLabelSimilarityInvariance checks that neither the common length of the rows nor the
// bias changes the similarity.
func TestLabelSimilarityInvariance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]float32, 5*9), make([]float32, 5*9)
	for i := range a {
		a[i] = float32(r.NormFloat64())
		if b[i] = 3 * a[i]; i%9 == 8 {
			b[i] = float32(r.NormFloat64())
		}
	}
	if x, y := gate.LabelSimilarity(a, 5, 8), gate.LabelSimilarity(b, 5, 8); math.Abs(x-y) > 1e-5 {
		t.Errorf("similarity %g, of rows three times as long %g", x, y)
	}
}

// TestLeniency makes six of twelve labels more and more similar to the other six. The
// leniency must fall within its limits, down to the lower one.
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
			t.Errorf("leniency %g of labels that share %g, %g of labels that share less", x, share, last)
		}
		last = x
	}
	if last != gate.MinLeniency {
		t.Errorf("leniency %g of pairs of equal labels, want %g", last, gate.MinLeniency)
	}
}

func TestLeniencyOfZeros(t *testing.T) {
	if x := gate.Leniency(make([]float32, 7*4), 7, 3); x-x != 0 || x < gate.MinLeniency {
		t.Errorf("leniency %g of a head of zeros", x)
	}
	for labels := 1; labels < 3; labels++ {
		if x := gate.Leniency(make([]float32, labels*4), labels, 3); x != 1 {
			t.Errorf("leniency %g of a head of %d labels, want 1", x, labels)
		}
	}
}
