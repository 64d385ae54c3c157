package kernel

import (
	"math"
	"sync"
)

// queryRows is how many queries of a head are answered at once: their scores
// stay in the cache, and no tokens×tokens matrix ever exists.
const queryRows = 48

// Attention computes softmax(q·kᵀ/√dim)·v for each head of each image. qkv is
// (images·tokens, 3·heads·dim), a row being [q|k|v] and each of these head after
// head; out is (images·tokens, heads·dim). scratch has AttentionScratch
// elements.
func Attention(out, qkv []float32, images, tokens, heads, dim int, scratch []float32) {
	attend(attention{out: out, qkv: qkv, images: images, tokens: tokens, heads: heads, dim: dim, scratch: scratch})
}

// AttentionBF16 is Attention with the factors of both products, q and k as well
// as the weights of the softmax and v, rounded to BF16; scores, softmax and sums
// are float32. Where that gains nothing, on a processor without BF16 products or
// in heads narrower than a step of them, it is Attention.
func AttentionBF16(out, qkv []float32, images, tokens, heads, dim int, scratch []float32) {
	attend(attention{
		out: out, qkv: qkv, images: images, tokens: tokens, heads: heads, dim: dim, scratch: scratch,
		bf16: dim >= Panel && multipliesBF16(),
	})
}

// AttentionScratch is the number of float32s that Attention and AttentionBF16
// need as scratch.
func AttentionScratch(images, tokens, heads, dim int) int {
	return attentionWorkers(images, tokens, heads, dim) * headScratch(tokens, dim)
}

// headScratch is enough for either precision: keys and values, and what belongs
// to queryRows queries.
func headScratch(tokens, dim int) int {
	wide, deep := panels(tokens)*Panel, panels(dim)*Panel
	return 2*wide*deep + queryRows*(wide+deep) + queryRows*max(wide, deep)/2
}

// attentionWorkers is 1 for attention too small to spread, by the same
// threshold as a product's.
func attentionWorkers(images, tokens, heads, dim int) int {
	if 2*images*tokens*tokens*heads*dim < parallelWork {
		return 1
	}
	return min(workers, images*heads)
}

// An attention is one call of Attention under way; its units are the heads of
// the images.
type attention struct {
	out, qkv                   []float32
	images, tokens, heads, dim int
	bf16                       bool
	scratch                    []float32
}

var attentions = sync.Pool{New: func() any { return new(attention) }}

func attend(q attention) {
	if q.images <= 0 || q.tokens <= 0 || q.heads <= 0 || q.dim <= 0 {
		return
	}
	elements := q.images * q.tokens * q.heads * q.dim
	checkLen("Attention: out", len(q.out), elements)
	checkLen("Attention: qkv", len(q.qkv), 3*elements)
	checkLen("Attention: scratch", len(q.scratch), AttentionScratch(q.images, q.tokens, q.heads, q.dim))
	a := attentions.Get().(*attention)
	*a = q
	run(a, a.images*a.heads, attentionWorkers(a.images, a.tokens, a.heads, a.dim))
	*a = attention{}
	attentions.Put(a)
}

func (a *attention) unit(worker, unit int) {
	image, head := unit/a.heads, unit%a.heads
	width := a.heads * a.dim
	qkv := a.qkv[image*a.tokens*3*width:]
	h := attentionHead{
		q: qkv[head*a.dim:], k: qkv[width+head*a.dim:], v: qkv[2*width+head*a.dim:], ld: 3 * width,
		out: a.out[image*a.tokens*width+head*a.dim:], ldo: width,
		tokens: a.tokens, dim: a.dim, wide: panels(a.tokens) * Panel, deep: panels(a.dim) * Panel,
		scale: float32(1 / math.Sqrt(float64(a.dim))),
	}
	size := headScratch(a.tokens, a.dim)
	scratch := a.scratch[worker*size:][:size]
	if a.bf16 {
		h.answerBF16(scratch)
	} else {
		h.answer(scratch)
	}
}

// An attentionHead is one head of one image.
type attentionHead struct {
	q, k, v     []float32 // (tokens, dim) with row stride ld
	ld          int
	out         []float32 // (tokens, dim) with row stride ldo
	ldo         int
	tokens, dim int
	wide, deep  int // tokens and dim filled up to whole panels
	scale       float32
}

func (h *attentionHead) answer(scratch []float32) {
	keys, scratch := cut(scratch, h.wide*h.dim)
	values, scratch := cut(scratch, h.deep*h.tokens)
	scores, scratch := cut(scratch, queryRows*h.wide)
	sums, _ := cut(scratch, queryRows*h.deep)
	Pack(keys, h.k, h.ld, h.tokens, h.dim)
	packTransposed(values, h.v, h.ld, h.dim, h.tokens)
	for t := 0; t < h.tokens; t += queryRows {
		rows := min(queryRows, h.tokens-t)
		wholePanels(scores, h.wide, h.q[t*h.ld:], h.ld, rows, keys, h.dim)
		Softmax(scores, rows, h.tokens, h.wide, h.scale)
		c, ldc := h.room(sums, t)
		wholePanels(c, ldc, scores, h.wide, rows, values, h.tokens)
		h.settle(sums, t, rows)
	}
}

// room is where whole panels of the answers from token t on have room: in out,
// or where a head is no whole panels wide, in sums.
func (h *attentionHead) room(sums []float32, t int) (c []float32, ldc int) {
	if h.deep == h.dim {
		return h.out[t*h.ldo:], h.ldo
	}
	return sums, h.deep
}

// settle copies answers that were written to sums to where they belong.
func (h *attentionHead) settle(sums []float32, t, rows int) {
	if h.deep != h.dim {
		copyTile(h.out[t*h.ldo:], h.ldo, sums, h.deep, rows, h.dim)
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
