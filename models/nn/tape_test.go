package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"eigenserve/models/nn"
)

// tapeLengths are the lengths of the spans that are recorded.
var tapeLengths = []int{3, 2, 5}

// recordToy runs a pass over spans of some lengths and back for a random loss, which
// it returns with the tape.
func recordToy(m *toy, w *nn.Weights, seed uint64, lengths ...int) (x []float32, loss [][]float32, tape *nn.Tape) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range lengths {
		g := make([]float32, toyLabels)
		nn.CentredLoss(g, r)
		loss = append(loss, g)
	}
	x = inputs(seed, lengths...)
	var p nn.Pass
	tape = p.Record(nn.Group{Spans: spans(lengths...), Weights: w})
	m.forward(&p, x)
	tape.Backward(loss)
	return x, loss, tape
}

// TestGradientsEqualDifferences moves every bias and vector a little both ways. With a
// step of 2⁻⁷ and logits of about 1, rounding in float32 makes an error of about 1e-5,
// and the third derivative one of about 1e-4 of the slope.
func TestGradientsEqualDifferences(t *testing.T) {
	const step, tolerance = 1.0 / 128, 4e-3
	for _, name := range []string{"", "gelu", "gelu_new", "quick_gelu", "relu", "silu"} {
		t.Run("activation="+name, func(t *testing.T) {
			var a nn.Activation
			if name != "" {
				a, _ = nn.ParseActivation(name)
			}
			m := newToy(t, 2, 2, 5, a)
			w := m.weights(t, nn.Float32, 1)
			x, loss, tape := recordToy(m, w, 1, tapeLengths...)
			var p nn.Pass
			value := func() float64 {
				p.Begin(nn.Group{Spans: spans(tapeLengths...), Weights: w})
				sum := 0.0
				for i, logits := range m.forward(&p, x) {
					for j, v := range logits {
						sum += float64(v) * float64(loss[i][j])
					}
				}
				return sum
			}
			check := func(what string, at *float32, got float64) {
				t.Helper()
				was := *at
				*at = was + step
				up := value()
				*at = was - step
				slope := (up - value()) / (2 * step)
				*at = was
				if math.Abs(got-slope) > tolerance*max(1, math.Abs(slope)) {
					t.Errorf("%s: gradient %g, by difference %g", what, got, slope)
				}
			}
			for i, taped := range tape.Layers {
				n := w.Layers[i].Outputs()
				for k := range w.Layers[i].Bias {
					sum := 0.0
					for r := k; r < len(taped.Gradient); r += n {
						sum += float64(taped.Gradient[r])
					}
					check(fmt.Sprintf("layer %d, bias %d", i, k), &w.Layers[i].Bias[k], sum)
				}
			}
			for i, v := range w.Vectors {
				for k := range v {
					sum := 0.0
					for s := range tapeLengths {
						sum += float64(tape.Vectors[i][s*len(v)+k])
					}
					check(fmt.Sprintf("vector %d, value %d", i, k), &v[k], sum)
				}
			}
		})
	}
}

// TestTapeOfSpansEqualsSeparateTapes compares a recorded pass of spans of unequal
// lengths with one recorded pass for each span.
func TestTapeOfSpansEqualsSeparateTapes(t *testing.T) {
	m := newToy(t, 2, 9, 30, 0)
	w := m.weights(t, nn.Float32, 1)
	lengths := []int{4, 30, 1, 4, 6}
	x, loss, all := recordToy(m, w, 2, lengths...)
	sums, separate := nn.NewMoments(m.plan), nn.NewMoments(m.plan)
	sums.Add(all)
	row := 0
	for s, n := range lengths {
		var p nn.Pass
		one := p.Record(nn.Group{Spans: spans(n), Weights: w})
		m.forward(&p, x[row*toyInputs:][:n*toyInputs])
		one.Backward(loss[s : s+1])
		separate.Add(one)
		for i, l := range m.plan.Layers {
			from, n := row, n
			if len(all.Layers[i].Gradient) == len(lengths)*l.Rows() { // join, which reads gathered rows
				from, n = s, 1
			}
			if d := furthest(all.Layers[i].Gradient[from*l.Rows():][:n*l.Rows()], one.Layers[i].Gradient); d > closeTo {
				t.Errorf("span %d: gradient of layer %q differs by %g", s, l.Name, d)
			}
			if d := furthest(all.Layers[i].Input[from*l.Cols():][:n*l.Cols()], one.Layers[i].Input); d > closeTo {
				t.Errorf("span %d: input of layer %q differs by %g", s, l.Name, d)
			}
		}
		for i, v := range m.plan.Vectors {
			if d := furthest(all.Vectors[i][s*v.Len():][:v.Len()], one.Vectors[i]); d > closeTo {
				t.Errorf("span %d: gradient of vector %q differs by %g", s, v.Name, d)
			}
		}
		row += n
	}
	for i, l := range m.plan.Layers {
		if d := max(furthest(sums.Input(i), separate.Input(i)), furthest(sums.Output(i), separate.Output(i))); d > closeTo {
			t.Errorf("moments of layer %q differ by %g", l.Name, d)
		}
	}
	for i, v := range sums.Vectors() {
		for k := range v {
			if d := math.Abs(v[k] - separate.Vectors()[i][k]); d > closeTo {
				t.Errorf("moments of vector %q differ by %g", m.plan.Vectors[i].Name, d)
				break
			}
		}
	}
}

func TestMoments(t *testing.T) {
	m := newToy(t, 2, 2, 5, 0)
	w := m.weights(t, nn.Float32, 3)
	moments := nn.NewMoments(m.plan)
	var inputs, outputs, squares float64
	rows, images := 0, 0
	for seed := range uint64(2) {
		_, _, tape := recordToy(m, w, seed, tapeLengths...)
		moments.Add(tape)
		taped, row := tape.Layers[0], 0
		for s, n := range tapeLengths {
			for r := row; r < row+n; r++ {
				g := taped.Gradient[r*m.width:][:m.width]
				if overwritten := r == row; overwritten != (g[1] == 0) {
					t.Errorf("row %d has gradient %g", r, g[1])
				} else if overwritten { // by start
					continue
				}
				rows++
				inputs += float64(taped.Input[r*toyInputs+1]) * float64(taped.Input[r*toyInputs+2])
				outputs += float64(g[2]) * float64(g[3])
			}
			row += n
			images++
			v := float64(tape.Vectors[1][s*len(w.Vectors[1])+2])
			squares += v * v
		}
	}
	upper := func(v []float32, n, r, c int) float64 { return float64(v[r*n-r*(r-1)/2+c-r]) }
	for what, c := range map[string][2]float64{
		"inputs 1 and 2":        {upper(moments.Input(0), 6, 1, 2), inputs / float64(rows)},
		"the constant":          {upper(moments.Input(0), 6, 5, 5), 1},
		"outputs 2 and 3":       {upper(moments.Output(0), 4, 2, 3), outputs / float64(images)},
		"the vector's square":   {moments.Vectors()[1][2], squares / float64(images)},
		"the size of inputs":    {float64(len(moments.Input(1))), 5 * 6 / 2},
		"the size of outputs":   {float64(len(moments.Output(1))), 12 * 13 / 2},
		"the bytes of a layer":  {float64(nn.MomentsBytes(m.plan.Layers[1])), 4 * (15 + 78)},
		"the counted spans":     {float64(moments.Counts().Spans), float64(images)},
		"the counted last rows": {float64(moments.Counts().Rows[0]), float64(rows)},
	} {
		if math.Abs(c[0]-c[1]) > 1e-5*max(1, math.Abs(c[1])) {
			t.Errorf("%s: %g, want %g", what, c[0], c[1])
		}
	}
}

// Moments of some layers equal those of all layers, also for a layer wider than the
// rows of a product that are computed at once.
func TestMomentsOfSomeLayers(t *testing.T) {
	m := newToy(t, 2, 150, 5, 0)
	w := m.weights(t, nn.Float32, 5)
	_, _, tape := recordToy(m, w, 6, tapeLengths...)
	all := nn.NewMoments(m.plan)
	all.Add(tape)
	for i := range m.plan.Layers {
		one := nn.NewMomentsOf(m.plan, i, i+1)
		one.Add(tape)
		if !slices.Equal(one.Input(i), all.Input(i)) || !slices.Equal(one.Output(i), all.Output(i)) {
			t.Errorf("layer %d has other moments", i)
		}
	}
}

func TestCentredLoss(t *testing.T) {
	a, b := make([]float32, 9), make([]float32, 9)
	nn.CentredLoss(a, rand.New(rand.NewPCG(1, 1)))
	nn.CentredLoss(b, rand.New(rand.NewPCG(1, 1)))
	sum := 0.0
	for i := range a {
		sum += float64(a[i])
		if a[i] != b[i] {
			t.Error("one seed makes two losses")
		}
	}
	if math.Abs(sum) > 1e-6 {
		t.Errorf("the mean is %g", sum/9)
	}
}
