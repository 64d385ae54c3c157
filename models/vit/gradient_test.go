package vit_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

// gradientTolerance is relative to a tensor's largest gradient, which is a sum of some
// hundred float32 products through several layers.
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
			tape := recorded(t, m, w, randomImages(m, images), loss)
			compare(t, m.Plan(), tape, c.All, "")
			first := recorded(t, m, w, randomImages(m, images)[:1], loss[:len(m.Labels())])
			compare(t, m.Plan(), first, c.First, "alone: ")
			for i, v := range first.Vectors {
				near(t, "the first of several: "+m.Plan().Vectors[i].Name, float64s(tape.Vectors[i][:len(v)]), float64s(v))
			}
		})
	}
}

// recorded runs a pass and back for the loss Σ logits·weights.
func recorded(t *testing.T, m *vit.Model, w *nn.Weights, images []nn.Input, weights []float32) *nn.Tape {
	t.Helper()
	var p nn.Pass
	tape := p.Record(group(m, len(images), w))
	if _, err := m.Forward(&p, images); err != nil {
		t.Fatal(err)
	}
	tape.Backward(slices.Collect(slices.Chunk(weights, len(m.Labels()))))
	return tape
}

// compare compares a tape's gradients of every tensor in want.
func compare(t *testing.T, plan *nn.Plan, tape *nn.Tape, want map[string][]float64, title string) {
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

// weightGradients returns Σ gxᵀ and Σ g over a layer's rows.
func weightGradients(l nn.Layer, t nn.TapedLayer) (weight, bias []float64) {
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
	most, off := 0.01, 0.0 // a key's bias has no effect: its gradient is what rounding leaves
	for i := range want {
		most, off = max(most, math.Abs(want[i])), max(off, math.Abs(got[i]-want[i]))
	}
	if !(off <= gradientTolerance*most) {
		t.Errorf("%s: off by %.2g of %.2g", name, off, most)
	}
}

func float64s(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// A recorded pass computes what any other does, but for the order of sums, and changes
// nothing for the next pass.
func TestRecordedPassAnswersTheSame(t *testing.T) {
	m := open(t, smallConfig)
	w := randomWeights(t, m, "")
	images := randomImages(m, 2)
	want := forward(t, m, images, group(m, 2, w))
	var p nn.Pass
	for _, begin := range []func(){func() { p.Record(group(m, 2, w)) }, func() { p.Begin(group(m, 2, w)) }} {
		begin()
		got, err := m.Forward(&p, images)
		if err != nil {
			t.Fatal(err)
		}
		if d := distance(t, logits(got), want); d > apart {
			t.Errorf("off by %g", d)
		}
	}
}

// BenchmarkMoments records a pass of one image, runs it back and adds its moments.
func BenchmarkMoments(b *testing.B) {
	for _, c := range []struct{ model, config string }{{"zoo", zooConfig}, {"vit-b16", vitB16Config}} {
		b.Run("op=moments/model="+c.model, func(b *testing.B) {
			m := open(b, c.config)
			w, images := randomWeights(b, m, ""), randomImages(m, 1)
			moments := nn.NewMoments(m.Plan())
			var p nn.Pass
			for b.Loop() {
				tape := p.Record(group(m, 1, w))
				if _, err := m.Forward(&p, images); err != nil {
					b.Fatal(err)
				}
				tape.Backward([][]float32{{1, -1}})
				moments.Add(tape)
			}
		})
	}
}
