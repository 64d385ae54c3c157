package rans_test

import (
	"math/rand/v2"
	"testing"

	"eigenserve/store/rans"
)

// benchmarked returns blocks like those of real variants.
func benchmarked(b *testing.B) map[string][]rans.Block {
	rng := rand.New(rand.NewPCG(1, 2))
	one := func(right, left []float32) []rans.Block {
		return []rans.Block{draw(rng, right, left)}
	}
	leading := falling(769, 1, 0.3)
	for i := 128; i < len(leading); i++ {
		leading[i] *= 0.05
	}
	return map[string][]rans.Block{
		"block=zoo":                 zoo(b),
		"block=256x65/nonzeros=5%":  one(falling(65, 0.5, 0.11), falling(256, 0.72, 0.1)),
		"block=768x769/nonzeros=1%": one(leading, falling(768, 0.45, 0.01)),
		"block=768x769/nonzeros=0":  one(falling(769, 1e-3, 1e-6), falling(768, 1, 1e-3)),
		"block=256x256/scale=2":     one(falling(256, 2, 1), falling(256, 2, 1)),
	}
}

// coefficients counts all and the nonzero coefficients.
func coefficients(blocks []rans.Block) (all, nonzero int) {
	for _, b := range blocks {
		all += len(b.Q)
		for _, q := range b.Q {
			if q != 0 {
				nonzero++
			}
		}
	}
	return all, nonzero
}

func BenchmarkDecode(b *testing.B) {
	for name, blocks := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			stream := encode(b, blocks)
			all, nonzero := coefficients(blocks)
			var s rans.Sparse
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := rans.NewDecoder(stream)
				if err != nil {
					b.Fatal(err)
				}
				for _, block := range blocks {
					if err := d.Block(block.Right, block.Left, &s); err != nil {
						b.Fatal(err)
					}
				}
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(all)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mcoef/s")
			b.ReportMetric(100*float64(nonzero)/float64(all), "%nonzero")
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	blocks := zoo(b)
	all, _ := coefficients(blocks)
	var size int
	for b.Loop() {
		size = len(encode(b, blocks))
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(all)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mcoef/s")
}
