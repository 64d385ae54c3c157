package nn

import "eigenserve/runtime/kernel"

// Attention is softmax(q·kᵀ/√dim)·v over the tokens of each image, head by head.
// It has no weights of its own; its products are in the precision of the weights
// that the image's other layers have.
type Attention struct {
	Heads, Dim int
}

// Forward maps qkv (rows, 3*heads*dim), each row its query, key and value side
// by side, to a new (rows, heads*dim).
func (a Attention) Forward(p *Pass, qkv []float32) []float32 {
	width := a.Heads * a.Dim
	out := p.Floats(len(qkv) / 3)
	tokens := len(out) / width / p.images
	if p.tape != nil {
		p.tape.attention(a, out, qkv)
	}
	defer p.Free(p.Mark())
	scratch := p.Floats(kernel.AttentionScratch(p.images, tokens, a.Heads, a.Dim))
	for groups, y, x := p.groups, out, qkv; len(groups) > 0; {
		n, images, precision := alike(groups)
		attend := kernel.Attention
		if precision == BFloat16 {
			attend = kernel.AttentionBF16
		}
		attend(y, x, images, tokens, a.Heads, a.Dim, scratch)
		elements := images * tokens * width
		groups, y, x = groups[n:], y[elements:], x[3*elements:]
	}
	return out
}

// alike counts the groups at the head of a list that are in one precision, and
// their images.
func alike(groups []Group) (n, images int, precision Precision) {
	precision = groups[0].Weights.precision()
	for _, g := range groups {
		if g.Weights.precision() != precision {
			break
		}
		n, images = n+1, images+g.Images
	}
	return n, images, precision
}
