package vit_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

// gradientTolerance is relative to a tensor's largest gradient: the sums of
// some hundred float32 products, several layers deep.
const gradientTolerance = 2e-5

func TestGradientsEqualPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name       string
		Config     json.RawMessage
		All, First map[string][]float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	const images = 3
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			m := open(t, string(c.Config))
			loss := make([]float32, images*len(m.Labels()))
			noise("loss", loss)
			w := randomWeights(t, m, "")
			tape := recorded(t, m, w, randomImages(t, string(c.Config), images), loss)
			compare(t, m.Plan(), tape, images, c.All, "")
			first := recorded(t, m, w, randomImages(t, string(c.Config), images)[:imageLen(t, string(c.Config))], loss[:len(m.Labels())])
			compare(t, m.Plan(), first, 1, c.First, "alone: ")
			for i, v := range first.Vectors {
				near(t, "the first of several: "+m.Plan().Vectors[i].Name, wide(tape.Vectors[i][:len(v)]), wide(v))
			}
		})
	}
}

// recorded runs a pass and back for a loss of Σ logits·weights.
func recorded(t *testing.T, m *vit.Model, w *nn.Weights, images, weights []float32) *nn.Tape {
	t.Helper()
	var p nn.Pass
	classes := len(m.Labels())
	n := len(weights) / classes
	tape := p.Record(n, w)
	if _, err := m.Forward(&p, images); err != nil {
		t.Fatal(err)
	}
	var answers [][]float32
	for i := range n {
		answers = append(answers, weights[i*classes:(i+1)*classes])
	}
	tape.Backward(answers)
	return tape
}

// compare holds a tape's gradients of every tensor in want.
func compare(t *testing.T, plan *nn.Plan, tape *nn.Tape, images int, want map[string][]float64, title string) {
	t.Helper()
	got := map[string][]float64{}
	for i, l := range plan.Layers {
		weight, bias := weightGradients(l, tape.Layers[i])
		rows := l.Shape[0]
		for k, part := range l.Parts {
			got[part+".weight"], got[part+".bias"] = weight[k*rows*l.Cols():(k+1)*rows*l.Cols()], bias[k*rows:(k+1)*rows]
		}
	}
	for i, v := range plan.Vectors {
		sum := make([]float64, v.Len())
		for k, g := range tape.Vectors[i] {
			sum[k%len(sum)] += float64(g)
		}
		got[v.Name] = sum
	}
	for name, gradient := range want {
		near(t, title+name, got[name], gradient)
	}
}

// weightGradients are Σ gxᵀ and Σ g over a layer's rows.
func weightGradients(l nn.Layer, t nn.Taped) (weight, bias []float64) {
	n, k := l.Rows(), l.Cols()
	weight, bias = make([]float64, n*k), make([]float64, n)
	for r := range len(t.Gradient) / n {
		for i, g := range t.Gradient[r*n : (r+1)*n] {
			bias[i] += float64(g)
			for j, x := range t.Input[r*k : (r+1)*k] {
				weight[i*k+j] += float64(g) * float64(x)
			}
		}
	}
	return weight, bias
}

func near(t *testing.T, name string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d gradients, want %d", name, len(got), len(want))
		return
	}
	most, off := 0.01, 0.0 // a key's bias changes nothing: its gradient is what rounding leaves
	for i := range want {
		most, off = max(most, math.Abs(want[i])), max(off, math.Abs(got[i]-want[i]))
	}
	if !(off <= gradientTolerance*most) {
		t.Errorf("%s: off by %.2g of %.2g", name, off, most)
	}
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// A recorded pass answers as any other, but for the order of sums in products of
// other heights, and leaves nothing behind in the pass.
func TestRecordedPassAnswersTheSame(t *testing.T) {
	m := open(t, smallConfig)
	w := randomWeights(t, m, "")
	images := randomImages(t, smallConfig, 2)
	want := forward(t, m, images, nn.Group{Images: 2, Weights: w})
	var p nn.Pass
	for _, begin := range []func(){func() { p.Record(2, w) }, func() { p.Begin(nn.Group{Images: 2, Weights: w}) }} {
		begin()
		got, err := m.Forward(&p, images)
		if err != nil {
			t.Fatal(err)
		}
		if d := distance(t, got, want); d > apart {
			t.Errorf("off by %g", d)
		}
	}
}

// BenchmarkMoments records one image, goes back through it and adds it up.
func BenchmarkMoments(b *testing.B) {
	for _, c := range []struct{ model, config string }{{"zoo", zooConfig}, {"vit-b16", vitB16Config}} {
		b.Run("op=moments/model="+c.model, func(b *testing.B) {
			m := open(b, c.config)
			w, images := randomWeights(b, m, ""), randomImages(b, c.config, 1)
			moments := nn.NewMoments(m.Plan())
			var p nn.Pass
			for b.Loop() {
				tape := p.Record(1, w)
				if _, err := m.Forward(&p, images); err != nil {
					b.Fatal(err)
				}
				tape.Backward([][]float32{{1, -1}})
				moments.Add(tape)
			}
		})
	}
}
