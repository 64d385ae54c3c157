package vit_test

import (
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

// noise fills dst with values in [-1, 1) that a name determines, as golden.py does.
func noise(name string, dst []float32) {
	seed := uint64(crc32.ChecksumIEEE([]byte(name))) << 32
	for i := range dst {
		z := (uint64(i+1) + seed) * 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		dst[i] = float32(z>>40)/(1<<23) - 1
	}
}

// fill fills dst with a tensor's values by its name and shape, as golden.py does.
func fill(name string, shape []int, dst []float32) {
	noise(name, dst)
	scale, offset := float32(1), float32(0)
	switch {
	case strings.Contains(name, "layernorm") && strings.HasSuffix(name, ".weight"):
		scale, offset = 0.5, 1
	case len(shape) == 1:
		scale = 0.25
	case strings.HasSuffix(name, ".weight"):
		inputs := 1
		for _, d := range shape[1:] {
			inputs *= d
		}
		scale = float32(2 / math.Sqrt(float64(inputs)))
	}
	for i := range dst {
		dst[i] = dst[i]*scale + offset
	}
}

// open opens a model from a config.
func open(tb testing.TB, config string) *vit.Model {
	tb.Helper()
	m, err := vit.New([]byte(config), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// randomWeights returns the weights of fill, with salt put before each name: with ""
// those of golden.py, otherwise those of another variant.
func randomWeights(tb testing.TB, m *vit.Model, salt string) *nn.Weights {
	tb.Helper()
	return randomWeightsIn(tb, m, salt, nn.Float32)
}

// randomWeightsIn is randomWeights in a given precision.
func randomWeightsIn(tb testing.TB, m *vit.Model, salt string, precision nn.Precision) *nn.Weights {
	tb.Helper()
	plan := m.Plan().In(precision)
	shapes := map[string][]int{}
	for _, s := range plan.Specs() {
		shapes[s.Name] = s.Shape
	}
	slab := make([]float32, plan.SlabLen())
	err := plan.Load(slab, func(name string, dst []float32) error {
		fill(salt+name, shapes[name], dst)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	w := plan.Bind(slab)
	err = plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		shape := append([]int{len(m.Labels())}, shapes[name][1:]...)
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		fill(salt+name, shape, values)
		return values, shape, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &w
}

// randomImages returns n images of noise.
func randomImages(m *vit.Model, n int) []nn.Input {
	pixels := make([]float32, n*m.Input().Image.Len())
	noise("images", pixels)
	return images(m, pixels)
}

// images returns the images in pixels (n, channels, height, width).
func images(m *vit.Model, pixels []float32) (inputs []nn.Input) {
	for image := range slices.Chunk(pixels, m.Input().Image.Len()) {
		inputs = append(inputs, nn.Input{Pixels: image})
	}
	return inputs
}

// group returns a group of n images.
func group(m *vit.Model, n int, w *nn.Weights) nn.Group {
	return nn.Group{Spans: nn.Spans(n, m.Rows(nn.Input{})), Weights: w}
}

// forward returns the logits of one pass.
func forward(tb testing.TB, m *vit.Model, images []nn.Input, groups ...nn.Group) [][]float32 {
	tb.Helper()
	var p nn.Pass
	p.Begin(groups...)
	outputs, err := m.Forward(&p, images)
	if err != nil {
		tb.Fatal(err)
	}
	return logits(outputs)
}

// logits returns the logits of outputs.
func logits(outputs []nn.Output) (rows [][]float32) {
	for _, o := range outputs {
		rows = append(rows, o.Logits)
	}
	return rows
}

// distance returns the largest absolute difference, infinite for NaN.
func distance(tb testing.TB, got, want [][]float32) float64 {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("logits of %d images, want %d", len(got), len(want))
	}
	worst := 0.0
	for i := range want {
		if len(got[i]) != len(want[i]) {
			tb.Fatalf("image %d: %d logits, want %d", i, len(got[i]), len(want[i]))
		}
		for j := range want[i] {
			d := math.Abs(float64(got[i][j]) - float64(want[i][j]))
			if math.IsNaN(d) {
				return math.Inf(1)
			}
			worst = max(worst, d)
		}
	}
	return worst
}
