package kernel

import (
	"fmt"
	"testing"
)

// The layers of ViT-B/16, cores of 128 directions a side: with one in a hundred
// of their pairs, and with as many nonzeros as one in a hundred of the layer's.
func BenchmarkRebuild(b *testing.B) {
	const directions = 128
	f32, bf16 := peakRates()
	for _, s := range layersB16 {
		m, n := s[0], s[1]
		l := benchLayer(m, n)
		for _, nonzeros := range []int{directions * directions / 100, min(m*n/100, directions*directions)} {
			c := benchCore(1, l, directions, nonzeros)
			dst, bias, scratch := make([]float32, PackedLen(m, n)), make([]float32, m), make([]float32, RebuildScratch(l))
			half := make([]uint16, PackedLenBF16(m, n))
			ops := 2 * directions * float64(m) * float64(n)
			name := fmt.Sprintf("op=rebuild/m=%d/n=%d/nonzeros=%d/dtype=", m, n, nonzeros)
			b.Run(name+"f32", func(b *testing.B) {
				b.SetBytes(int64(6 * m * n))
				perCPU(b, ops, f32, func() { Rebuild(dst, bias, l, c, scratch) })
			})
			b.Run(name+"bf16", func(b *testing.B) {
				b.SetBytes(int64(4 * m * n))
				perCPU(b, ops, bf16, func() { RebuildBF16(half, bias, l, c, scratch) })
			})
		}
	}
}

// Eight variants one at a time and together; few directions, so that bytes
// weigh, and many.
func BenchmarkRebuildSeveral(b *testing.B) {
	const variants, m, n = 8, 3072, 768
	_, bf16 := peakRates()
	for _, directions := range []int{8, 32, 128} {
		layers := make([]*Layer, 4) // more than the caches hold
		for i := range layers {
			layers[i] = benchLayer(m, n)
		}
		var to []TargetBF16
		for v := range variants {
			to = append(to, TargetBF16{make([]uint16, PackedLenBF16(m, n)), make([]float32, m), benchCore(uint64(v), layers[0], directions, 0)})
		}
		scratch := make([]float32, RebuildSeveralScratch(layers[0], variants))
		ops := 2 * float64(directions*variants*len(layers)) * m * n
		name := fmt.Sprintf("m=%d/n=%d/directions=%d/variants=%d", m, n, directions, variants)
		b.Run("op=rebuild/"+name, func(b *testing.B) {
			perCPU(b, ops, bf16, func() {
				for _, t := range to {
					for _, l := range layers {
						RebuildBF16(t.Dst, t.Bias, l, t.Core, scratch)
					}
				}
			})
		})
		b.Run("op=rebuildseveral/"+name, func(b *testing.B) {
			perCPU(b, ops, bf16, func() {
				for _, l := range layers {
					RebuildSeveralBF16(to, l, scratch)
				}
			})
		})
	}
}
