package nn

import (
	"fmt"
	"slices"

	"eigenserve/runtime/kernel"
)

// Pass is the state of one forward pass: which rows meet which weights, and the
// memory of the activations. The zero value is ready for Begin. A Pass is meant to be
// used again, so that passes of a size seen before allocate nothing. It serves one
// pass at a time.
//
// The rows of an activation lie span by span in the order of the groups. What a
// layer's Forward returns lies in the Pass and is valid until the next Begin, or
// until the Free of an earlier Mark.
type Pass struct {
	arena
	batch
	bf16      bool        // activations that only products read are BF16
	logits    [][]float32 // of the heads so far
	outputs   []Output
	runs      []kernel.Group // of one factored layer
	tape      *Tape          // of a recorded pass, else nil
	accounted int            // bytes that the pass's Pool has counted
}

// Begin starts a pass over groups, which it copies, and frees all memory of the
// previous pass.
func (p *Pass) Begin(groups ...Group) {
	p.arena.reset()
	p.tape, p.retain = nil, false
	p.batch.assign(groups)
	p.logits = p.logits[:0]
	p.bf16 = computesBF16(groups)
}

// End drops the references to weights, so that an idle Pass keeps none alive.
func (p *Pass) End() {
	p.batch.reset()
	clear(p.runs[:cap(p.runs)])
	p.tape = nil
}

// Inputs returns the number of inputs: one for each span of all groups.
func (p *Pass) Inputs() int { return len(p.spans) }

// Span returns the span of the i-th input.
func (p *Pass) Span(i int) Span { return p.spans[i].Span }

// Outputs returns an empty Output for each input. They are valid until the next call
// or the next Begin.
func (p *Pass) Outputs() []Output {
	p.outputs = slices.Grow(p.outputs[:0], len(p.spans))[:len(p.spans)]
	clear(p.outputs)
	return p.outputs
}

// First returns a copy of each span's first row: it gathers (spans, width) from x
// (rows, width).
func (p *Pass) First(x []float32, width int) []float32 {
	return p.gather(x, width, func(span) int { return 0 })
}

// Last returns a copy of each span's last row: it gathers (spans, width) from x (rows,
// width).
func (p *Pass) Last(x []float32, width int) []float32 {
	return p.gather(x, width, func(s span) int { return s.Rows - 1 })
}

// gather copies one row of each span, which choose counts from the span's first.
func (p *Pass) gather(x []float32, width int, choose func(span) int) []float32 {
	if len(x) != p.rows*width {
		panic(fmt.Sprintf("nn: gather: %d values for %d rows of %d", len(x), p.rows, width))
	}
	y := p.Floats(len(p.spans) * width)
	for i, s := range p.spans {
		copy(y[i*width:][:width], x[(s.first+choose(s))*width:])
	}
	if p.tape != nil {
		p.tape.gather(y, x, choose)
	}
	return y
}
