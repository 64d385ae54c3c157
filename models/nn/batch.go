package nn

import "fmt"

// Span is the run of rows that one input adds to a pass.
type Span struct {
	Rows  int // at least one
	Start int // position of the first row in its input: 0, unless earlier passes held the rows before it
}

// Spans returns the spans of n inputs of so many rows each, all of which are in the
// pass.
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

// A group is a Group with its size. Its spans are batch.spans[first:][:spans].
type group struct {
	weights            *Weights
	first, spans, rows int
}

// A span is a Span with the place of its first row in the pass.
type span struct {
	Span
	first int
}

// set replaces the batch by copies of groups, in the memory of the one before.
func (b *batch) set(groups []Group) {
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
		b.groups = append(b.groups, group{g.Weights, first, len(g.Spans), b.rows - row})
	}
}

// reset empties the batch and drops its references to weights.
func (b *batch) reset() {
	clear(b.groups[:cap(b.groups)])
	b.groups, b.spans, b.rows = b.groups[:0], b.spans[:0], 0
}

// spansOf returns the spans of a group.
func (b *batch) spansOf(g group) []span { return b.spans[g.first:][:g.spans] }

// An activation has one row for each row of the pass or, once First or Last has
// gathered them, one for each span. perRow reports which of the two count rows are;
// where every span has one row, both are the same.
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
