package kernel

import (
	"fmt"
	"testing"
	"time"
)

// eachISA runs a benchmark under each instruction set.
func eachISA(b *testing.B, name string, bench func(b *testing.B)) {
	was := isa
	defer func() { isa = was }()
	for _, l := range levels {
		isa = l
		b.Run(name+"/impl="+ISA(), bench)
	}
}

func BenchmarkMatMul(b *testing.B) {
	for _, s := range [][3]int{
		{1576, 768, 3072}, {1576, 3072, 768}, {1576, 2304, 768}, {577, 768, 3072}, {197, 768, 768}, {197, 3072, 768}, {197, 768, 3072},
		{64, 3072, 768}, {17, 3072, 768}, {1, 3072, 768}, {197, 192, 768}, {197, 1024, 4096}, {17, 64, 192}, {17, 256, 64},
	} {
		m, n, k := s[0], s[1], s[2]
		x, dst := random(1, m*k), make([]float32, m*n)
		w := Weights{N: n, K: k, Panels: random(2, PackedLen(n, k))}
		eachISA(b, fmt.Sprintf("op=matmul/m=%d/n=%d/k=%d", m, n, k), func(b *testing.B) {
			for b.Loop() {
				MatMul(dst, n, x, k, m, w, Epilogue{})
			}
			gflops(b, 2*float64(m)*float64(n)*float64(k))
		})
		wBF16 := WeightsBF16{N: n, K: k, Panels: make([]uint16, PackedLenBF16(n, k))}
		eachISA(b, fmt.Sprintf("op=matmulbf16/m=%d/n=%d/k=%d", m, n, k), func(b *testing.B) {
			for b.Loop() {
				MatMulBF16(Float32s(dst, n), Float32s(x, k), m, wBF16, Epilogue{})
			}
			gflops(b, 2*float64(m)*float64(n)*float64(k))
		})
	}
}

// gflops reports the rate of a benchmark whose rounds take the given number of
// operations.
func gflops(b *testing.B, each float64) {
	b.ReportMetric(each*float64(b.N)/b.Elapsed().Seconds()*1e-9, "GFLOP/s")
}

func BenchmarkPeak(b *testing.B) {
	for _, threads := range []int{1, workers} {
		eachISA(b, fmt.Sprintf("op=peak/threads=%d", threads), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(PeakFMA(threads, 100*time.Millisecond), "GFLOP/s")
				b.ReportMetric(PeakBF16(threads, 100*time.Millisecond), "bf16-GFLOP/s")
				b.ReportMetric(ReadBandwidth(threads, 256<<20, 100*time.Millisecond), "read-GB/s")
				b.ReportMetric(CopyBandwidth(threads, 256<<20, 100*time.Millisecond), "copy-GB/s")
			}
		})
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range []AttentionShape{
		{Sequences: 1, Rows: 197, Heads: 12, Dim: 64}, {Sequences: 8, Rows: 197, Heads: 12, Dim: 64},
		{Sequences: 8, Rows: 197, Heads: 12, Dim: 64, Queries: 1},
		{Sequences: 1, Rows: 577, Heads: 12, Dim: 64}, {Sequences: 1, Rows: 17, Heads: 4, Dim: 16},
	} {
		qkv, out := s.randomQKV(), make([]float32, s.Sequences*s.Rows*s.width())
		x, y := bf16Rows(qkv, 3*s.width()), bf16Rows(out, s.width())
		scratch := make([]float32, AttentionScratch(s))
		for name, run := range map[string]func(){
			"attention":     func() { Attention(Float32s(out, s.width()), Float32s(qkv, 3*s.width()), s, scratch) },
			"attentionbf16": func() { AttentionBF16(y, x, s, scratch) },
		} {
			shape := fmt.Sprintf("op=%s/sequences=%d/rows=%d/queries=%d/heads=%d/dim=%d", name, s.Sequences, s.Rows, s.queries(), s.Heads, s.Dim)
			eachISA(b, shape, func(b *testing.B) {
				if name == "attentionbf16" && !AttendsBF16(s.Dim) {
					b.Skip("not of such heads")
				}
				for b.Loop() {
					run()
				}
				gflops(b, 4*float64(s.Sequences*s.queries())*float64(s.Rows)*float64(s.width()))
			})
		}
	}
}

func BenchmarkRows(b *testing.B) {
	const rows, cols = 197, 768
	x, gamma, bias := random(1, rows*cols), random(2, cols), random(3, cols)
	dst, x16 := make([]float32, rows*cols), make([]uint16, rows*cols)
	ToFloat16(x16, x, BF16)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"layernorm", func() { LayerNorm(Float32s(dst, cols), x, rows, cols, gamma, bias, 1e-6) }},
		{"softmax", func() { Softmax(dst, rows, cols, cols, 0.1) }},
		{"gelu", func() { copy(dst, x); epilogue(dst, Panel, rows*cols/Panel, nil, GELU, nil, 0) }},
		{"silu", func() { copy(dst, x); epilogue(dst, Panel, rows*cols/Panel, nil, SiLU, nil, 0) }},
		{"add", func() { Add(dst, x) }},
		{"fromBF16", func() { FromFloat16(dst, x16, BF16) }},
		{"toBF16", func() { ToFloat16(x16, x, BF16) }},
		{"fromF16", func() { FromFloat16(dst, x16, F16) }},
		{"pack", func() { Pack(dst, x, cols, 192, cols) }},
		{"transpose", func() { Transpose(dst, x, rows, cols) }},
	} {
		eachISA(b, "op="+c.name, func(b *testing.B) {
			b.SetBytes(4 * rows * cols)
			for b.Loop() {
				c.run()
			}
		})
	}
}
