package nn

import "eigenserve/runtime/kernel"

// Attention is softmax(q·kᵀ/√dim)·v over the tokens of each image, head by head.
// It has no weights.
type Attention struct {
	Heads, Dim int
}

// Forward maps qkv (rows, 3*heads*dim), each row its query, key and value side
// by side, to a new (rows, heads*dim).
func (a Attention) Forward(p *Pass, qkv []float32) []float32 {
	width := a.Heads * a.Dim
	out := p.Floats(len(qkv) / 3)
	tokens := len(out) / width / p.images
	defer p.Free(p.Mark())
	scratch := p.Floats(kernel.AttentionScratch(tokens, a.Heads, a.Dim))
	for y, x := out, qkv; len(y) > 0; y, x = y[tokens*width:], x[3*tokens*width:] {
		kernel.Attention(y, x, tokens, a.Heads, a.Dim, scratch)
	}
	return out
}
