package kernel

import (
	"math"
	"sync"
)

// queryRows is how many queries of a head are answered at once: their scores
// stay in the cache, and no tokens×tokens matrix ever exists.
const queryRows = 48

// AttentionShape is what attention is over.
type AttentionShape struct {
	Images, Tokens int
	Heads, Dim     int // of each
	// Queries is how many tokens of an image are answered, its first ones; 0 for all.
	Queries int
}

func (s AttentionShape) queries() int {
	if s.Queries > 0 {
		return min(s.Queries, s.Tokens)
	}
	return s.Tokens
}

func (s AttentionShape) width() int { return s.Heads * s.Dim }

// Attention computes softmax(q·kᵀ/√dim)·v for each head of each image. qkv is
// (images·tokens, 3·heads·dim), a row being [q|k|v] and each of these head after
// head; out is (images·queries, heads·dim). scratch has AttentionScratch elements.
func Attention(out, qkv Matrix, s AttentionShape, scratch []float32) {
	attend(attention{AttentionShape: s, out: out, qkv: qkv, scratch: scratch})
}

// AttentionBF16 is Attention of qkv in BF16 to out in BF16: the weights of the
// softmax are rounded to BF16 too; scores, softmax and sums are float32. It is for
// heads that AttendsBF16 says it is for.
func AttentionBF16(out, qkv Matrix, s AttentionShape, scratch []float32) {
	if !AttendsBF16(s.Dim) {
		panic("kernel: AttentionBF16: not of such heads on this processor")
	}
	attend(attention{AttentionShape: s, out: out, qkv: qkv, scratch: scratch, bf16: true})
}

// AttendsBF16 reports whether AttentionBF16 is for heads so wide: the processor has
// BF16 products, and a head is no narrower than a step of them.
func AttendsBF16(dim int) bool { return dim >= Panel && multipliesBF16() }

// AttentionScratch is the number of float32s that Attention and AttentionBF16
// need as scratch.
func AttentionScratch(s AttentionShape) int { return s.workers() * headScratch(s.Tokens, s.Dim) }

// headScratch is enough for either precision: keys and values, and what belongs
// to queryRows queries.
func headScratch(tokens, dim int) int {
	wide, deep := panels(tokens)*Panel, panels(dim)*Panel
	return 2*wide*deep + queryRows*(wide+deep) + queryRows*max(wide, deep)/2
}

// workers is 1 for attention too small to spread, by the same threshold as a
// product's.
func (s AttentionShape) workers() int {
	if 2*s.Images*s.queries()*s.Tokens*s.width() < parallelWork {
		return 1
	}
	return min(workers, s.Images*s.Heads)
}

// An attention is one call of Attention under way; its units are the heads of
// the images.
type attention struct {
	AttentionShape
	out, qkv Matrix
	bf16     bool
	scratch  []float32
}

var attentions = sync.Pool{New: func() any { return new(attention) }}

func attend(q attention) {
	if q.Images <= 0 || q.Tokens <= 0 || q.Heads <= 0 || q.Dim <= 0 {
		return
	}
	q.out.check("Attention: out", q.Images*q.queries(), q.width())
	q.qkv.check("Attention: qkv", q.Images*q.Tokens, 3*q.width())
	checkLen("Attention: scratch", len(q.scratch), AttentionScratch(q.AttentionShape))
	a := attentions.Get().(*attention)
	*a = q
	run(a, a.Images*a.Heads, a.workers())
	*a = attention{}
	attentions.Put(a)
}

func (a *attention) unit(worker, unit int) {
	image, head := unit/a.Heads, unit%a.Heads
	queries, column := a.queries(), head*a.Dim
	qkv := a.qkv.From(image * a.Tokens)
	h := attentionHead{
		q: qkv.columns(column), k: qkv.columns(a.width() + column), v: qkv.columns(2*a.width() + column),
		out:    a.out.From(image * queries).columns(column),
		tokens: a.Tokens, queries: queries, dim: a.Dim,
		wide: panels(a.Tokens) * Panel, deep: panels(a.Dim) * Panel,
		scale: float32(1 / math.Sqrt(float64(a.Dim))),
	}
	size := headScratch(a.Tokens, a.Dim)
	scratch := a.scratch[worker*size:][:size]
	if a.bf16 {
		h.answerBF16(scratch)
	} else {
		h.answer(scratch)
	}
}

// An attentionHead is one head of one image.
type attentionHead struct {
	q, k, v         Matrix // (tokens, dim)
	out             Matrix // (queries, dim)
	tokens, queries int
	dim             int
	wide, deep      int // tokens and dim filled up to whole panels
	scale           float32
}

func (h *attentionHead) answer(scratch []float32) {
	keys, scratch := cut(scratch, h.wide*h.dim)
	values, scratch := cut(scratch, h.deep*h.tokens)
	scores, scratch := cut(scratch, queryRows*h.wide)
	sums, _ := cut(scratch, queryRows*h.deep)
	Pack(keys, h.k.F32, h.k.Stride, h.tokens, h.dim)
	packTransposed(values, h.v.F32, h.v.Stride, h.dim, h.tokens)
	for t := 0; t < h.queries; t += queryRows {
		rows, q, out := min(queryRows, h.queries-t), h.q.From(t), h.out.From(t)
		wholePanels(scores, h.wide, q.F32, q.Stride, rows, keys, h.dim)
		Softmax(scores, rows, h.tokens, h.wide, h.scale)
		if h.deep == h.dim {
			wholePanels(out.F32, out.Stride, scores, h.wide, rows, values, h.tokens)
			continue
		}
		wholePanels(sums, h.deep, scores, h.wide, rows, values, h.tokens)
		copyTile(out.F32, out.Stride, sums, h.deep, rows, h.dim)
	}
}

func cut(s []float32, n int) (head, tail []float32) { return s[:n], s[n:] }

// wholePanels multiplies x (rows, k) by every panel, into c whose rows have
// room for whole panels.
func wholePanels(c []float32, ldc int, x []float32, ldx, rows int, panels []float32, k int) {
	tiles := (rows + tileRows() - 1) / tileRows()
	for n0 := 0; n0*k < len(panels); n0 += Panel {
		for t := 0; t < tiles; t++ {
			r0, r1 := t*rows/tiles, (t+1)*rows/tiles
			tile(c[r0*ldc+n0:], ldc, x[r0*ldx:], ldx, panels[n0*k:][:Panel*k], r1-r0, k, false)
		}
	}
}
