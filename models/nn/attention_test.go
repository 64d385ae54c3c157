package nn_test

import (
	"math"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

func TestAttentionTakesEachGroupsPrecision(t *testing.T) {
	const tokens, heads, dim, width = 37, 2, 64, 128
	wide := &nn.Weights{Layers: make([]nn.Dense, 1)}
	half := &nn.Weights{Layers: []nn.Dense{{BF16: kernel.WeightsBF16{Panels: make([]uint16, 1)}}}}
	factored := &nn.Weights{Factored: &nn.Factored{Precision: nn.BFloat16}}
	qkv := make([]float32, 6*tokens*3*width)
	for i := range qkv {
		qkv[i] = float32(math.Sin(float64(i * i)))
	}

	attention := nn.Attention{Heads: heads, Dim: dim}
	var p, alone nn.Pass
	p.Begin(nn.Group{1, wide}, nn.Group{1, half}, nn.Group{2, factored}, nn.Group{1, half}, nn.Group{1, wide})
	got := attention.Forward(&p, qkv)
	for image, w := range []*nn.Weights{wide, half, factored, factored, half, wide} {
		alone.Begin(nn.Group{1, w})
		want := attention.Forward(&alone, qkv[image*tokens*3*width:][:tokens*3*width])
		if !slices.Equal(got[image*tokens*width:][:tokens*width], want) {
			t.Errorf("image %d is answered differently alone", image)
		}
	}
}
