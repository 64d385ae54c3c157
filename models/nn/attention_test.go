package nn_test

import (
	"math"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// First returns what Forward returns for the first rows, in float32 and in BF16.
func TestAttentionFirst(t *testing.T) {
	const heads, dim = 2, 64
	const width = heads * dim
	lengths := []int{37, 37, 20}
	const rows = 37 + 37 + 20
	x := make([]float32, rows*3*width)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	stride := kernel.BF16Stride(3 * width)
	halves := make([]uint16, rows*stride)
	for r := range rows {
		kernel.ToFloat16(halves[r*stride:][:3*width], x[r*3*width:][:3*width], kernel.BF16)
	}
	inputs := map[string]nn.Rows{"f32": nn.Float32s(x, 3*width)}
	if kernel.AttendsBF16(dim) {
		inputs["bf16"] = nn.Rows{Matrix: kernel.Matrix{BF16: halves, Stride: stride}, Count: rows}
	}
	attention := nn.Attention{Heads: heads, Dim: dim}
	weights := &nn.Weights{Factored: &nn.Factored{Precision: nn.BFloat16}}
	for name, qkv := range inputs {
		t.Run(name, func(t *testing.T) {
			var p nn.Pass
			p.Begin(nn.Group{Spans: spans(lengths...), Weights: weights})
			all, first := attention.Forward(&p, qkv), attention.First(&p, qkv)
			if first.Count != len(lengths) || all.Count != rows {
				t.Fatalf("%d and %d rows", first.Count, all.Count)
			}
			row := 0
			for i, n := range lengths {
				if d := furthest(float32Row(first, i, width), float32Row(all, row, width)); d > 1e-2 {
					t.Errorf("span %d: off by %g", i, d)
				}
				row += n
			}
		})
	}
}

// float32Row returns a row in float32.
func float32Row(r nn.Rows, row, width int) []float32 {
	out := make([]float32, width)
	if r.BF16 != nil {
		kernel.FromFloat16(out, r.BF16[row*r.Stride:][:width], kernel.BF16)
	} else {
		copy(out, r.F32[row*r.Stride:])
	}
	return out
}
