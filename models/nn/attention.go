package nn

import (
	"fmt"

	"eigenserve/runtime/kernel"
)

// Attention is softmax(q·kᵀ/√dim)·v among the rows of each span, head by head. It has
// no weights, and its products are in the precision of the pass.
//
// Every span must start at position 0; Attention panics on any other. A span that
// continues an input needs the keys and values of the input's earlier rows, which no
// pass keeps yet. They will come with the span, in pages, and run will hand them to the
// kernel before the span's own.
type Attention struct {
	Heads, Dim int
}

// QKV returns l as the layer that makes the queries, keys and values. Its output is
// float32 in any pass if heads are narrower than a step of BF16 products.
func (a Attention) QKV(l Linear) Linear {
	l.float32Output = a.Dim < kernel.Panel
	return l
}

// Forward maps qkv (rows, 3*heads*dim), in each row its query, key and value one after
// the other, to new rows (rows, heads*dim).
func (a Attention) Forward(p *Pass, qkv Rows) Rows {
	out := a.run(p, qkv, false)
	if p.tape != nil {
		p.tape.attention(a, out.F32, qkv.F32)
	}
	return out
}

// First is Forward for the first row of each span alone: it returns (spans, heads*dim).
func (a Attention) First(p *Pass, qkv Rows) Rows {
	if p.tape != nil {
		width := a.Heads * a.Dim
		return Float32s(p.First(a.Forward(p, qkv).F32, width), width)
	}
	return a.run(p, qkv, true)
}

// run computes all rows, or the first of each span. Consecutive spans of equal length
// are one call of the kernel, across groups.
func (a Attention) run(p *Pass, qkv Rows, first bool) Rows {
	if qkv.Count != p.rows {
		panic(fmt.Sprintf("nn: attention over %d rows in a pass of %d", qkv.Count, p.rows))
	}
	count, queries := p.rows, 0
	if first {
		count, queries = len(p.spans), 1
	}
	out := p.newRows(count, a.Heads*a.Dim, qkv.BF16 == nil)
	y := out.Matrix
	for spans := p.spans; len(spans) > 0; {
		s := kernel.AttentionShape{Sequences: equalSpans(spans), Rows: spans[0].Rows, Heads: a.Heads, Dim: a.Dim, Queries: queries}
		a.attend(p, y, qkv.Matrix.From(spans[0].first), s)
		if first {
			y = y.From(s.Sequences)
		} else {
			y = y.From(s.Sequences * s.Rows)
		}
		spans = spans[s.Sequences:]
	}
	return out
}

// attend calls the kernel.
func (a Attention) attend(p *Pass, y, qkv kernel.Matrix, s kernel.AttentionShape) {
	defer p.Free(p.Mark())
	scratch := p.Floats(kernel.AttentionScratch(s))
	if qkv.BF16 != nil {
		kernel.AttentionBF16(y, qkv, s, scratch)
	} else {
		kernel.Attention(y, qkv, s, scratch)
	}
}

// equalSpans returns how many spans, from the first on, are as long as the first.
func equalSpans(spans []span) int {
	for i, s := range spans {
		if s.Start != 0 {
			panic(fmt.Sprintf("nn: attention for a span from position %d: earlier keys and values are not kept", s.Start))
		}
		if s.Rows != spans[0].Rows {
			return i
		}
	}
	return len(spans)
}
