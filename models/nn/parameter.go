package nn

import (
	"fmt"

	"eigenserve/runtime/kernel"
)

// Parameter is a small tensor of each group's variant that is used as it is. Put and
// Add read it as rows, one for each of an input's first positions.
type Parameter struct {
	vector int // in Plan.Vectors
}

// Add adds to each row of x (rows, width) the parameter's row for the position that
// the row has in its input. It panics if the parameter has no row for a position.
func (v Parameter) Add(p *Pass, x []float32) {
	if p.tape != nil {
		p.tape.parameter(v, x, false)
	}
	width := len(x) / p.rows
	for _, g := range p.groups {
		for _, s := range p.spansOf(g) {
			n, values := s.Rows*width, v.rows(g, s, width)
			if len(values) < n {
				panic(fmt.Sprintf("nn: a parameter has no row for position %d", s.Start+len(values)/width))
			}
			kernel.Add(x[s.first*width:][:n], values)
		}
	}
}

// Put overwrites the rows of x (rows, width) for whose positions the parameter has a
// row: a class token overwrites the rows at position 0.
func (v Parameter) Put(p *Pass, x []float32) {
	if p.tape != nil {
		p.tape.parameter(v, x, true)
	}
	width := len(x) / p.rows
	for _, g := range p.groups {
		for _, s := range p.spansOf(g) {
			copy(x[s.first*width:][:s.Rows*width], v.rows(g, s, width))
		}
	}
}

func (v Parameter) values(g group) []float32 { return g.weights.Vectors[v.vector] }

// rows returns the parameter's rows from the position on at which a span starts.
func (v Parameter) rows(g group, s span, width int) []float32 {
	values := v.values(g)
	return values[min(s.Start*width, len(values)):]
}
