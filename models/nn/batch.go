package nn

import "fmt"

// Span is the run of rows that one input adds to a pass.
type Span struct {
	Rows int // at least one
	// Start is the position of the first row in its input. It is 0 unless earlier
	// passes held the rows before it.
	Start int
}

// Spans returns the spans of n whole inputs, each of so many rows.
func Spans(n, rows int) []Span {
	spans := make([]Span, n)
	for i := range spans {
		spans[i].Rows = rows
	}
	return spans
}

// Group is a run of spans of a pass that one variant computes.
type Group struct {
	Spans   []Span
	Weights *Weights
}

// batch is what a pass computes together: groups of spans of rows.
type batch struct {
	groups []group
	spans  []span // of all groups, in order
	rows   int    // of all spans
}

// A group is a Group with its size.
type group struct {
	weights *Weights
	first   int // its first span among those of the batch
	spans   int
	rows    int
}

// A span is a Span in a batch.
type span struct {
	Span
	first int // its first row among those of the batch
}

// assign replaces the batch by copies of groups, in the same memory.
func (b *batch) assign(groups []Group) {
	b.groups, b.spans, b.rows = b.groups[:0], b.spans[:0], 0
	for _, g := range groups {
		first, row := len(b.spans), b.rows
		for _, s := range g.Spans {
			if s.Rows < 1 || s.Start < 0 {
				panic(fmt.Sprintf("nn: a span of %d rows that starts at position %d", s.Rows, s.Start))
			}
			b.spans = append(b.spans, span{Span: s, first: b.rows})
			b.rows += s.Rows
		}
		b.groups = append(b.groups, group{weights: g.Weights, first: first, spans: len(g.Spans), rows: b.rows - row})
	}
}

// reset empties the batch and drops its references to weights.
func (b *batch) reset() {
	clear(b.groups[:cap(b.groups)])
	b.groups, b.spans, b.rows = b.groups[:0], b.spans[:0], 0
}

// spansOf returns the spans of a group.
func (b *batch) spansOf(g group) []span { return b.spans[g.first:][:g.spans] }

// perRow reports whether an activation of count rows has one for each row of the pass,
// and not, as after First and Last, one for each span.
func (b *batch) perRow(count int) bool {
	if count != b.rows && count != len(b.spans) {
		panic(fmt.Sprintf("nn: an activation of %d rows in a pass of %d rows in %d spans", count, b.rows, len(b.spans)))
	}
	return count == b.rows
}

// rowsOf returns how many of an activation's count rows belong to a group.
func (b *batch) rowsOf(g group, count int) int {
	if b.perRow(count) {
		return g.rows
	}
	return g.spans
}
