package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkRebuild rebuilds the layers of ViT-B/16 from cores of 128 directions on each
// side: 1% of whose pairs are nonzero, and with as many nonzeros as 1% of the layer's
// weights.
func BenchmarkRebuild(b *testing.B) {
	const directions = 128
	f32, bf16 := peakRates()
	for _, s := range layersViTB {
		m, n := s[0], s[1]
		l := benchLayer(m, n)
		for _, nonzeros := range []int{directions * directions / 100, min(m*n/100, directions*directions)} {
			c := benchCore(1, l, directions, nonzeros)
			bias, scratch := make([]float32, m), make([]float32, RebuildScratch(l, 1))
			toF32 := []Target{{F32: make([]float32, PackedLen(m, n)), Bias: bias, Core: c}}
			toBF16 := []Target{{BF16: make([]uint16, PackedLenBF16(m, n)), Bias: bias, Core: c}}
			ops := 2 * directions * float64(m) * float64(n)
			name := fmt.Sprintf("op=rebuild/m=%d/n=%d/nonzeros=%d/dtype=", m, n, nonzeros)
			b.Run(name+"f32", func(b *testing.B) {
				b.SetBytes(int64(6 * m * n))
				perCPU(b, ops, f32, func() { Rebuild(toF32, l, scratch) })
			})
			b.Run(name+"bf16", func(b *testing.B) {
				b.SetBytes(int64(4 * m * n))
				perCPU(b, ops, bf16, func() { Rebuild(toBF16, l, scratch) })
			})
		}
	}
}

// BenchmarkRebuildBatch rebuilds eight variants one at a time and together: with few
// directions, where reading the basis takes the time, and with many.
func BenchmarkRebuildBatch(b *testing.B) {
	const variants, m, n = 8, 3072, 768
	_, bf16 := peakRates()
	for _, directions := range []int{8, 32, 128} {
		layers := make([]*Layer, 4) // more than the caches hold
		for i := range layers {
			layers[i] = benchLayer(m, n)
		}
		var to []Target
		for v := range variants {
			to = append(to, Target{
				BF16: make([]uint16, PackedLenBF16(m, n)), Bias: make([]float32, m),
				Core: benchCore(uint64(v), layers[0], directions, 0),
			})
		}
		scratch := make([]float32, RebuildScratch(layers[0], variants))
		ops := 2 * float64(directions*variants*len(layers)) * m * n
		name := fmt.Sprintf("m=%d/n=%d/directions=%d/variants=%d", m, n, directions, variants)
		b.Run("op=rebuild/"+name, func(b *testing.B) {
			perCPU(b, ops, bf16, func() {
				for i := range to {
					for _, l := range layers {
						Rebuild(to[i:i+1], l, scratch)
					}
				}
			})
		})
		b.Run("op=rebuildbatch/"+name, func(b *testing.B) {
			perCPU(b, ops, bf16, func() {
				for _, l := range layers {
					Rebuild(to, l, scratch)
				}
			})
		})
	}
}
