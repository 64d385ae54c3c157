package kernel

import (
	"math"
	"sync"
)

// queryBlock is the number of queries of a head computed at once. Their scores stay
// in cache, and no rows×rows matrix is ever stored.
const queryBlock = 48

// AttentionShape is the shape of one call of attention: sequences of equal length,
// whose rows attend to all rows of their own sequence.
type AttentionShape struct {
	Sequences int
	Rows      int // of each sequence
	Heads     int
	Dim       int // of each head
	// Queries is the number of rows of each sequence to compute, counted from its
	// first; 0 means all.
	Queries int
}

func (s AttentionShape) queries() int {
	if s.Queries > 0 {
		return min(s.Queries, s.Rows)
	}
	return s.Rows
}

func (s AttentionShape) width() int { return s.Heads * s.Dim }

// Attention computes softmax(q·kᵀ/√dim)·v for each head of each sequence. qkv is
// (sequences·rows, 3·heads·dim), where a row is [q|k|v] and each of the three is one
// head after the other. out is (sequences·queries, heads·dim). scratch has at least
// AttentionScratch elements.
func Attention(out, qkv Matrix, s AttentionShape, scratch []float32) {
	attend(attention{AttentionShape: s, out: out, qkv: qkv, scratch: scratch})
}

// AttentionBF16 is Attention from BF16 qkv to BF16 out. The softmax weights are
// rounded to BF16 as well; scores, softmax and sums are float32. It panics unless
// AttendsBF16 reports true for the heads.
func AttentionBF16(out, qkv Matrix, s AttentionShape, scratch []float32) {
	if !AttendsBF16(s.Dim) {
		panic("kernel: AttentionBF16: this processor does not support heads of this size")
	}
	attend(attention{AttentionShape: s, out: out, qkv: qkv, scratch: scratch, bf16: true})
}

// AttendsBF16 reports whether AttentionBF16 supports heads of size dim: the processor
// must have BF16 products, and a head must be at least one step of them wide.
func AttendsBF16(dim int) bool { return dim >= Panel && multipliesBF16() }

// AttentionScratch returns the number of float32s that Attention and AttentionBF16
// need as scratch.
func AttentionScratch(s AttentionShape) int { return s.workers() * headScratch(s.Rows, s.Dim) }

// headScratch returns the scratch of one worker. It is enough for either precision:
// packed keys and values, and the scores and sums of queryBlock queries.
func headScratch(rows, dim int) int {
	rows, dim = panels(rows)*Panel, panels(dim)*Panel
	return 2*rows*dim + queryBlock*(rows+dim) + queryBlock*max(rows, dim)/2
}

// workers returns 1 for attention too small to spread over the cores, by the same
// threshold as a product's.
func (s AttentionShape) workers() int {
	if 2*s.Sequences*s.queries()*s.Rows*s.width() < parallelWork {
		return 1
	}
	return min(workers, s.Sequences*s.Heads)
}

// An attention is one call of Attention. Its units are the heads of the sequences.
type attention struct {
	AttentionShape
	out, qkv Matrix
	bf16     bool
	scratch  []float32
}

var attentions = sync.Pool{New: func() any { return new(attention) }}

func attend(q attention) {
	if q.Sequences <= 0 || q.Rows <= 0 || q.Heads <= 0 || q.Dim <= 0 {
		return
	}
	q.out.check("Attention: out", q.Sequences*q.queries(), q.width())
	q.qkv.check("Attention: qkv", q.Sequences*q.Rows, 3*q.width())
	checkLen("Attention: scratch", len(q.scratch), AttentionScratch(q.AttentionShape))
	a := attentions.Get().(*attention)
	*a = q
	run(a, a.Sequences*a.Heads, a.workers())
	*a = attention{}
	attentions.Put(a)
}

func (a *attention) unit(worker, unit int) {
	sequence, head := unit/a.Heads, unit%a.Heads
	queries, column := a.queries(), head*a.Dim
	qkv := a.qkv.From(sequence * a.Rows)
	h := attentionHead{
		q: qkv.columns(column), k: qkv.columns(a.width() + column), v: qkv.columns(2*a.width() + column),
		out:  a.out.From(sequence * queries).columns(column),
		rows: a.Rows, queries: queries, dim: a.Dim,
		paddedRows: panels(a.Rows) * Panel, paddedDim: panels(a.Dim) * Panel,
		scale: float32(1 / math.Sqrt(float64(a.Dim))),
	}
	size := headScratch(a.Rows, a.Dim)
	scratch := a.scratch[worker*size:][:size]
	if a.bf16 {
		h.computeBF16(scratch)
	} else {
		h.compute(scratch)
	}
}

// An attentionHead is one head of one sequence.
type attentionHead struct {
	q, k, v       Matrix // (rows, dim)
	out           Matrix // (queries, dim)
	rows, queries int
	dim           int

	paddedRows, paddedDim int // rows and dim rounded up to whole panels
	scale                 float32
}

// compute writes the head's out in float32.
func (h *attentionHead) compute(scratch []float32) {
	keys, scratch := cut(scratch, h.paddedRows*h.dim)
	values, scratch := cut(scratch, h.paddedDim*h.rows)
	scores, scratch := cut(scratch, queryBlock*h.paddedRows)
	sums, _ := cut(scratch, queryBlock*h.paddedDim)
	Pack(keys, h.k.F32, h.k.Stride, h.rows, h.dim)
	packTransposed(values, h.v.F32, h.v.Stride, h.dim, h.rows)
	for r := 0; r < h.queries; r += queryBlock {
		block, q, out := min(queryBlock, h.queries-r), h.q.From(r), h.out.From(r)
		multiplyPanels(scores, h.paddedRows, q.F32, q.Stride, block, keys, h.dim)
		Softmax(scores, block, h.rows, h.paddedRows, h.scale)
		if h.paddedDim == h.dim {
			multiplyPanels(out.F32, out.Stride, scores, h.paddedRows, block, values, h.rows)
			continue
		}
		multiplyPanels(sums, h.paddedDim, scores, h.paddedRows, block, values, h.rows)
		copyTile(out.F32, out.Stride, sums, h.paddedDim, block, h.dim)
	}
}

// cut splits s after its first n elements.
func cut(s []float32, n int) (head, tail []float32) { return s[:n], s[n:] }

// multiplyPanels multiplies x (rows, k) by every panel (k, 32). The rows of c have
// room for whole panels.
func multiplyPanels(c []float32, ldc int, x []float32, ldx, rows int, panels []float32, k int) {
	tiles := (rows + tileRows() - 1) / tileRows()
	for n0 := 0; n0*k < len(panels); n0 += Panel {
		for t := range tiles {
			r0, r1 := t*rows/tiles, (t+1)*rows/tiles
			tile(c[r0*ldc+n0:], ldc, x[r0*ldx:], ldx, panels[n0*k:][:Panel*k], r1-r0, k, false)
		}
	}
}
