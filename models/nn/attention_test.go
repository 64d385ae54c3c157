package nn_test

import (
	"math"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// What is asked for the first rows alone gets what it gets beside the others, in
// float32 and in BF16.
func TestAttentionFirst(t *testing.T) {
	const images, tokens, heads, dim = 3, 37, 2, 64
	const width = heads * dim
	x := make([]float32, images*tokens*3*width)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	stride := kernel.BF16Stride(3 * width)
	halves := make([]uint16, images*tokens*stride)
	for r := range images * tokens {
		kernel.ToFloat16(halves[r*stride:][:3*width], x[r*3*width:][:3*width], kernel.BF16)
	}
	rows := map[string]nn.Rows{"f32": nn.Float32s(x, 3*width)}
	if kernel.AttendsBF16(dim) {
		rows["bf16"] = nn.Rows{Matrix: kernel.Matrix{BF16: halves, Stride: stride}, Count: images * tokens}
	}
	attention := nn.Attention{Heads: heads, Dim: dim}
	half := &nn.Weights{Factored: &nn.Factored{Precision: nn.BFloat16}}
	for name, qkv := range rows {
		t.Run(name, func(t *testing.T) {
			var p nn.Pass
			p.Begin(nn.Group{Images: images, Weights: half})
			all, first := attention.Forward(&p, qkv), attention.First(&p, qkv)
			if first.Count != images || all.Count != images*tokens {
				t.Fatalf("%d and %d rows", first.Count, all.Count)
			}
			for image := range images {
				got, want := values(first, image, width), values(all, image*tokens, width)
				for i := range want {
					if math.Abs(float64(got[i]-want[i])) > 1e-2 {
						t.Fatalf("image %d: %g, want %g", image, got[i], want[i])
					}
				}
			}
		})
	}
}

// values are a row's in float32.
func values(r nn.Rows, row, width int) []float32 {
	out := make([]float32, width)
	if r.BF16 != nil {
		kernel.FromFloat16(out, r.BF16[row*r.Stride:][:width], kernel.BF16)
	} else {
		copy(out, r.F32[row*r.Stride:])
	}
	return out
}
