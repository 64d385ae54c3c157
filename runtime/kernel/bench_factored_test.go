package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// layersViTB are the layers of ViT-B/16: outputs, inputs.
var layersViTB = [][2]int{{2304, 768}, {768, 768}, {3072, 768}, {768, 3072}}

// benchLayer returns a layer with random weights and 256 directions on each side.
func benchLayer(m, n int) *Layer {
	l := &Layer{M: m, N: n, P: 256, Q: 256, Bias: true, MeanBias: make([]float32, m)}
	l.Mean = toFormat(random(1, PackedLen(m, n)), BF16)
	l.Left = toFormat(random(2, PackedLen(m, l.P)), BF16)
	l.Right = toFormat(random(3, (n+1)*l.Q), BF16)
	return l
}

// benchCore returns a core of every other direction, with the given number of
// directions on each side and at least the given number of nonzeros.
func benchCore(seed uint64, l *Layer, directions, nonzeros int) *Core {
	r := rand.New(rand.NewPCG(seed, 9))
	c := &Core{Starts: []int32{0}}
	each := max(1, (nonzeros+directions-1)/directions)
	for i := range directions {
		c.Rights = append(c.Rights, int32(2*i))
		lefts := chosen(r, directions, min(each, directions))
		if each == 1 {
			lefts = []int32{int32(i)} // so that every left direction is used
		}
		for _, left := range lefts {
			c.Lefts, c.Values = append(c.Lefts, 2*left), append(c.Values, float32(r.NormFloat64()))
		}
		c.Starts = append(c.Starts, int32(len(c.Lefts)))
	}
	return c
}

// BenchmarkFactored counts the operations of a dense product for both, so the ratio of
// their rates is the ratio of their times.
func BenchmarkFactored(b *testing.B) {
	const tokens, directions = 197, 128
	f32, bf16 := peakRates()
	for _, s := range layersViTB {
		m, n := s[0], s[1]
		l := benchLayer(m, n)
		for _, variants := range []int{1, 8} {
			rows := variants * tokens
			var groups []Group
			for v := range variants {
				groups = append(groups, Group{tokens, benchCore(uint64(v), l, directions, directions*directions/100)})
			}
			x, dst, scratch := random(4, rows*n), make([]float32, rows*m), make([]float32, FactoredScratch(l, rows))
			ops := 2 * float64(rows) * float64(m) * float64(n)
			size := fmt.Sprintf("m=%d/n=%d/k=%d", rows, m, n)
			f32w := Weights{N: m, K: n, Panels: random(5, PackedLen(m, n))}
			b.Run("op=dense/"+size+"/dtype=f32", func(b *testing.B) {
				perCPU(b, ops, f32, func() { MatMul(dst, m, x, n, rows, f32w, Epilogue{Bias: l.MeanBias}) })
			})
			size += fmt.Sprintf("/variants=%d", variants)
			b.Run("op=factored/"+size+"/dtype=f32", func(b *testing.B) {
				perCPU(b, ops, f32, func() { Factored(dst, m, x, n, groups, l, Epilogue{}, scratch) })
			})
			bf16w := WeightsBF16{N: m, K: n, Panels: toFormat(random(5, PackedLenBF16(m, n)), BF16)}
			b.Run("op=dense/"+size+"/dtype=bf16", func(b *testing.B) {
				perCPU(b, ops, bf16, func() { MatMulBF16(Float32s(dst, m), Float32s(x, n), rows, bf16w, Epilogue{Bias: l.MeanBias}) })
			})
			b.Run("op=factored/"+size+"/dtype=bf16", func(b *testing.B) {
				perCPU(b, ops, bf16, func() { FactoredBF16(Float32s(dst, m), Float32s(x, n), groups, l, Epilogue{}, scratch) })
			})
		}
	}
}
