package nn

import (
	"math"
	"slices"

	"eigenserve/runtime/kernel"
)

// attention records out (rows, heads*dim) from qkv (rows, 3*heads*dim).
func (t *Tape) attention(a Attention, out, qkv []float32) {
	before := slices.Clone(qkv)
	t.onBackward(func() {
		g, d := t.gradient(out), t.gradient(qkv)
		width := a.Heads * a.Dim
		parallel(len(t.batch.spans)*a.Heads, func(k int) {
			s, head := t.batch.spans[k/a.Heads], k%a.Heads
			rows := func(x []float32, width int) []float32 { return x[s.first*width:][:s.Rows*width] }
			a.back(rows(d, 3*width), rows(before, 3*width), rows(g, width), head)
		})
	})
}

// back adds one head's part of one span to dqkv. With P the softmax of S = q·kᵀ/√dim:
// dv = Pᵀg, dP = g·vᵀ, dS = P⊙(dP − rowsum(P⊙dP)), dq = dS·k/√dim and dk = dSᵀ·q/√dim.
func (a Attention) back(dqkv, qkv, g []float32, head int) {
	width, dim := a.Heads*a.Dim, a.Dim
	n, ld := len(g)/width, 3*width
	at := func(x []float32, part int) []float32 { return x[part*width+head*dim:] }
	g = g[head*dim:]
	scale := float32(1 / math.Sqrt(float64(dim)))

	scores, slope := make([]float32, n*n), make([]float32, n*n)
	kernel.Gemm(kernel.NoTrans, kernel.Trans, n, n, dim, at(qkv, 0), ld, at(qkv, 1), ld, scores, n, false)
	kernel.Softmax(scores, n, n, n, scale)
	kernel.Gemm(kernel.Trans, kernel.NoTrans, n, dim, n, scores, n, g, width, at(dqkv, 2), ld, true)
	kernel.Gemm(kernel.NoTrans, kernel.Trans, n, n, dim, g, width, at(qkv, 2), ld, slope, n, false)
	for r := range n {
		p, d := scores[r*n:][:n], slope[r*n:][:n]
		sum := 0.0
		for i := range p {
			sum += float64(p[i]) * float64(d[i])
		}
		for i := range p {
			d[i] = p[i] * (d[i] - float32(sum)) * scale
		}
	}
	kernel.Gemm(kernel.NoTrans, kernel.NoTrans, n, dim, n, slope, n, at(qkv, 1), ld, at(dqkv, 0), ld, true)
	kernel.Gemm(kernel.Trans, kernel.NoTrans, n, dim, n, slope, n, at(qkv, 0), ld, at(dqkv, 1), ld, true)
}
