package nn

import "eigenserve/runtime/kernel"

// Attention is softmax(q·kᵀ/√dim)·v over the tokens of each image, head by head.
// It has no weights of its own; its products are in the precision of the pass.
type Attention struct {
	Heads, Dim int
}

// Of is the layer that makes the queries, keys and values, with answers as the
// attention reads them: heads narrower than a step of BF16 products are attended
// to in float32.
func (a Attention) Of(qkv Linear) Linear {
	qkv.wide = a.Dim < kernel.Panel
	return qkv
}

// Forward maps qkv (rows, 3*heads*dim), each row its query, key and value side
// by side, to new rows (rows, heads*dim).
func (a Attention) Forward(p *Pass, qkv Rows) Rows {
	out := a.run(p, qkv, 0)
	if p.tape != nil {
		p.tape.attention(a, out.F32, qkv.F32)
	}
	return out
}

// First is Forward of which only each image's first row is wanted: (images,
// heads*dim).
func (a Attention) First(p *Pass, qkv Rows) Rows {
	if p.tape != nil {
		width := a.Heads * a.Dim
		return Float32s(p.First(a.Forward(p, qkv).F32, width), width)
	}
	return a.run(p, qkv, 1)
}

// run answers so many of each image's rows, its first ones; all if 0.
func (a Attention) run(p *Pass, qkv Rows, queries int) Rows {
	s := kernel.AttentionShape{Sequences: p.images, Rows: qkv.Count / p.images, Heads: a.Heads, Dim: a.Dim, Queries: queries}
	count := qkv.Count
	if queries > 0 {
		count = p.images * queries
	}
	out := p.rows(count, a.Heads*a.Dim, qkv.BF16 == nil)
	defer p.Free(p.Mark())
	scratch := p.Floats(kernel.AttentionScratch(s))
	if qkv.BF16 != nil {
		kernel.AttentionBF16(out.Matrix, qkv.Matrix, s, scratch)
	} else {
		kernel.Attention(out.Matrix, qkv.Matrix, s, scratch)
	}
	return out
}
