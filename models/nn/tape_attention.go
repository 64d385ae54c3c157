package nn

import (
	"math"
	"slices"

	"eigenserve/runtime/kernel"
)

// attention records out (rows, heads*dim) from qkv (rows, 3*heads*dim).
func (t *Tape) attention(a Attention, out, qkv []float32) {
	before := slices.Clone(qkv)
	t.then(func() {
		g, d := t.of(out), t.of(qkv)
		n, wide := len(out)/t.images, len(qkv)/t.images
		each(t.images*a.Heads, func(k int) {
			i, head := k/a.Heads, k%a.Heads
			a.back(d[i*wide:][:wide], before[i*wide:][:wide], g[i*n:][:n], head)
		})
	})
}

// back adds one head's share of one image to dqkv. With P the softmax of
// S = q·kᵀ/√dim: dv = Pᵀg, dP = g·vᵀ, dS = P⊙(dP − rowsum(P⊙dP)),
// dq = dS·k/√dim and dk = dSᵀ·q/√dim.
func (a Attention) back(dqkv, qkv, g []float32, head int) {
	width, dim := a.Heads*a.Dim, a.Dim
	tokens, ld := len(g)/width, 3*width
	at := func(x []float32, part int) []float32 { return x[part*width+head*dim:] }
	g = g[head*dim:]
	scale := float32(1 / math.Sqrt(float64(dim)))

	scores, slope := make([]float32, tokens*tokens), make([]float32, tokens*tokens)
	kernel.Gemm(false, true, tokens, tokens, dim, at(qkv, 0), ld, at(qkv, 1), ld, scores, tokens, false)
	kernel.Softmax(scores, tokens, tokens, tokens, scale)
	kernel.Gemm(true, false, tokens, dim, tokens, scores, tokens, g, width, at(dqkv, 2), ld, true)
	kernel.Gemm(false, true, tokens, tokens, dim, g, width, at(qkv, 2), ld, slope, tokens, false)
	for r := range tokens {
		p, d := scores[r*tokens:][:tokens], slope[r*tokens:][:tokens]
		sum := 0.0
		for i := range p {
			sum += float64(p[i]) * float64(d[i])
		}
		for i := range p {
			d[i] = p[i] * (d[i] - float32(sum)) * scale
		}
	}
	kernel.Gemm(false, false, tokens, dim, tokens, slope, tokens, at(qkv, 1), ld, at(dqkv, 0), ld, true)
	kernel.Gemm(true, false, tokens, dim, tokens, slope, tokens, at(qkv, 0), ld, at(dqkv, 1), ld, true)
}
