package kernel_test

import (
	"fmt"

	"eigenserve/runtime/kernel"
)

// A linear layer: pack its weights once, then multiply each batch of rows by them.
func ExampleMatMul() {
	const outputs, inputs, rows = 2, 3, 2
	weights := []float32{
		1, 0, -1,
		2, 2, 2,
	}
	w := kernel.Weights{N: outputs, K: inputs, Panels: make([]float32, kernel.PackedLen(outputs, inputs))}
	kernel.Pack(w.Panels, weights, inputs, outputs, inputs)

	x := []float32{
		1, 2, 3,
		6, 5, 4,
	}
	y := make([]float32, rows*outputs)
	kernel.MatMul(y, outputs, x, inputs, rows, w, kernel.Epilogue{
		Bias:       []float32{0.5, -20},
		Activation: kernel.ReLU,
	})
	fmt.Println(y[:outputs])
	fmt.Println(y[outputs:])
	// Output:
	// [0 0]
	// [2.5 10]
}

// A layer of two variants that share a basis of one direction on each side. The second
// variant's core has no nonzeros, so its weights are the mean.
func ExampleRebuild() {
	layer := &kernel.Layer{
		M: 2, N: 2, P: 1, Q: 1,
		MeanType: kernel.BF16,
		Mean:     packBF16([]float32{1, 2, 3, 4}, 2, 2),
		Left:     packBF16([]float32{1, -1}, 2, 1),
		Right:    toBF16([]float32{10, 20}),
	}
	cores := []*kernel.Core{
		{Rights: []int32{0}, Starts: []int32{0, 1}, Lefts: []int32{0}, Values: []float32{0.5}},
		{},
	}
	var targets []kernel.Target
	for _, c := range cores {
		targets = append(targets, kernel.Target{F32: make([]float32, kernel.PackedLen(2, 2)), Core: c})
	}
	kernel.Rebuild(targets, layer, make([]float32, kernel.RebuildScratch(layer, len(targets))))
	for _, t := range targets {
		weights := make([]float32, 4)
		kernel.Unpack(weights, 2, t.F32, 2, 2)
		fmt.Println(weights)
	}
	// Output:
	// [6 12 -2 -6]
	// [1 2 3 4]
}

func toBF16(x []float32) []uint16 {
	out := make([]uint16, len(x))
	kernel.ToFloat16(out, x, kernel.BF16)
	return out
}

func packBF16(w []float32, n, k int) []uint16 {
	panels := make([]float32, kernel.PackedLen(n, k))
	kernel.Pack(panels, w, k, n, k)
	return toBF16(panels)
}
