package vit_test

import (
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

// noise is testdata/_gen/golden.py's: values in [-1, 1) that a name determines.
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

// fill is golden.py's: a tensor's values, by its name and shape.
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

// open reads a model from a config alone.
func open(tb testing.TB, config string) *vit.Model {
	tb.Helper()
	m, err := vit.New([]byte(config), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// randomWeights are those that golden.py fills in. The salt goes before each
// name: with "" they are the goldens', with another the next variant's.
func randomWeights(tb testing.TB, m *vit.Model, salt string) *nn.Weights {
	tb.Helper()
	return randomWeightsIn(tb, m, salt, nn.Float32)
}

// randomWeightsIn is randomWeights in a precision.
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

// imageLen is the number of values of one image of the model.
func imageLen(tb testing.TB, config string) int {
	tb.Helper()
	o, err := vit.ParseOptions([]byte(config))
	if err != nil {
		tb.Fatal(err)
	}
	return o.Channels * o.Image.Height * o.Image.Width
}

// randomImages are n images of noise.
func randomImages(tb testing.TB, config string, n int) []float32 {
	images := make([]float32, n*imageLen(tb, config))
	noise("images", images)
	return images
}

// forward runs one pass of its own.
func forward(tb testing.TB, m *vit.Model, images []float32, groups ...nn.Group) [][]float32 {
	tb.Helper()
	var p nn.Pass
	p.Begin(groups...)
	logits, err := m.Forward(&p, images)
	if err != nil {
		tb.Fatal(err)
	}
	return logits
}

// distance is the largest absolute difference, NaN's being infinite.
func distance(tb testing.TB, got, want [][]float32) float64 {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("answers for %d images, want %d", len(got), len(want))
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
