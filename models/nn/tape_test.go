package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"eigenserve/models/nn"
)

// small is a model of each kind of layer, for derivatives by differences: a
// vector is added to the first row and put in the place of it, the activation is
// the one tried.
type small struct {
	plan        *nn.Plan
	start, rows nn.Parameter
	in, mix     nn.Linear
	attention   nn.Attention
	norm        nn.LayerNorm
	out         nn.Head
}

const smallWidth, smallTokens, smallImages, smallLabels = 4, 3, 2, 3

func newSmall(t *testing.T, a nn.Activation) *small {
	b := nn.NewBuilder()
	m := &small{
		in:        b.Linear("in", true, 3*smallWidth, 5),
		start:     b.Parameter("start", 3*smallWidth),
		rows:      b.Parameter("rows", smallTokens, 3*smallWidth),
		attention: nn.Attention{Heads: 2, Dim: smallWidth / 2},
		mix:       b.Linear("mix", true, smallWidth, smallWidth).Then(a),
		norm:      b.LayerNorm("norm", smallWidth, 1e-5),
		out:       b.Head("out", true, smallWidth),
	}
	var err error
	if m.plan, err = b.Plan(); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *small) forward(p *nn.Pass, x []float32) [][]float32 {
	h := m.in.ForwardFloat32(p, nn.Float32s(x, 5))
	m.start.Put(p, h)
	m.rows.Add(p, h)
	y := m.attention.Forward(p, nn.Float32s(h, 3*smallWidth)).F32
	m.mix.ForwardAdd(p, y, m.norm.Forward(p, y))
	return m.out.Forward(p, p.First(y, smallWidth))
}

// weights are random ones in a slab, with the slab.
func (m *small) weights(t *testing.T, r *rand.Rand) (*nn.Weights, []float32) {
	random := func(_ string, dst []float32) error {
		for i := range dst {
			dst[i] = float32(r.NormFloat64())
		}
		return nil
	}
	slab := make([]float32, m.plan.SlabLen())
	if err := m.plan.Load(slab, random); err != nil {
		t.Fatal(err)
	}
	w := m.plan.Bind(slab)
	err := m.plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		shape := []int{smallLabels, smallWidth}
		if name == "out.bias" {
			shape = shape[:1]
		}
		v := make([]float32, smallLabels*smallWidth)[:map[int]int{1: smallLabels, 2: smallLabels * smallWidth}[len(shape)]]
		return v, shape, random(name, v)
	})
	if err != nil {
		t.Fatal(err)
	}
	return &w, slab
}

// TestGradientsEqualDifferences moves every weight a little both ways. With a
// step of 2⁻⁷ and answers of about 1, rounding in float32 leaves some 1e-5 and
// the third derivative some 1e-4 of the slope.
func TestGradientsEqualDifferences(t *testing.T) {
	const step, tolerance = 1.0 / 128, 4e-3
	for _, name := range []string{"", "gelu", "gelu_new", "quick_gelu", "relu", "silu"} {
		t.Run("activation="+name, func(t *testing.T) {
			var a nn.Activation
			if name != "" {
				a, _ = nn.ParseActivation(name)
			}
			m, r := newSmall(t, a), rand.New(rand.NewPCG(1, 2))
			w, _ := m.weights(t, r)
			x, loss := make([]float32, smallImages*smallTokens*5), make([][]float32, smallImages)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			for i := range loss {
				loss[i] = make([]float32, smallLabels)
				nn.CentredLoss(loss[i], r)
			}
			var p nn.Pass
			tape := p.Record(smallImages, w)
			m.forward(&p, x)
			tape.Backward(loss)

			value := func() float64 {
				p.Begin(nn.Group{Images: smallImages, Weights: w})
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
					check(fmt.Sprintf("vector %d, value %d", i, k), &v[k], float64(tape.Vectors[i][k])+float64(tape.Vectors[i][len(v)+k]))
				}
			}
		})
	}
}

func TestMoments(t *testing.T) {
	m, r := newSmall(t, 0), rand.New(rand.NewPCG(3, 4))
	w, _ := m.weights(t, r)
	moments := nn.NewMoments(m.plan)
	var inputs, outputs, squares float64
	rows, images := 0, 0
	for range 2 {
		x, loss := make([]float32, smallImages*smallTokens*5), make([][]float32, smallImages)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		for i := range loss {
			loss[i] = make([]float32, smallLabels)
			nn.CentredLoss(loss[i], r)
		}
		var p nn.Pass
		tape := p.Record(smallImages, w)
		m.forward(&p, x)
		tape.Backward(loss)
		moments.Add(tape)

		taped := tape.Layers[0]
		for r := range smallImages * smallTokens {
			g := taped.Gradient[r*3*smallWidth:]
			if overwritten := r%smallTokens == 0; overwritten != (g[5] == 0) {
				t.Errorf("row %d has gradient %g", r, g[5])
			} else if overwritten {
				continue
			}
			rows++
			inputs += float64(taped.Input[r*5+1]) * float64(taped.Input[r*5+2])
			outputs += float64(g[3]) * float64(g[4])
		}
		for i := range smallImages {
			images++
			v := float64(tape.Vectors[1][i*len(w.Vectors[1])+2])
			squares += v * v
		}
	}
	upper := func(v []float32, n, r, c int) float64 { return float64(v[r*n-r*(r-1)/2+c-r]) }
	for what, c := range map[string][2]float64{
		"inputs 1 and 2":        {upper(moments.Input(0), 6, 1, 2), inputs / float64(rows)},
		"the constant":          {upper(moments.Input(0), 6, 5, 5), 1},
		"outputs 3 and 4":       {upper(moments.Output(0), 12, 3, 4), outputs / float64(images)},
		"the vector's square":   {moments.Vectors()[1][2], squares / float64(images)},
		"a layer's own inputs":  {float64(len(moments.Input(1))), 5 * 6 / 2},
		"a layer's own outputs": {float64(len(moments.Output(1))), 4 * 5 / 2},
		"its bytes":             {float64(nn.MomentsBytes(m.plan.Layers[1])), 4 * (15 + 10)},
	} {
		if math.Abs(c[0]-c[1]) > 1e-5*max(1, math.Abs(c[1])) {
			t.Errorf("%s: %g, want %g", what, c[0], c[1])
		}
	}
}

// The moments of some layers alone are what those of all say of them, also where
// a layer is wider than what is multiplied at once.
func TestMomentsOfSomeLayers(t *testing.T) {
	m, r := newSmall(t, 0), rand.New(rand.NewPCG(5, 6))
	w, _ := m.weights(t, r)
	x, loss := make([]float32, smallImages*smallTokens*5), make([][]float32, smallImages)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range loss {
		loss[i] = make([]float32, smallLabels)
		nn.CentredLoss(loss[i], r)
	}
	var p nn.Pass
	tape := p.Record(smallImages, w)
	m.forward(&p, x)
	tape.Backward(loss)
	all := nn.NewMoments(m.plan)
	all.Add(tape)
	for i := range m.plan.Layers {
		one := nn.NewMomentsOf(m.plan, i, i+1)
		one.Add(tape)
		if !slices.Equal(one.Input(i), all.Input(i)) || !slices.Equal(one.Output(i), all.Output(i)) {
			t.Errorf("layer %d: other moments", i)
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
			t.Error("one seed gives two losses")
		}
	}
	if math.Abs(sum) > 1e-6 {
		t.Errorf("the mean is %g", sum/9)
	}
}
