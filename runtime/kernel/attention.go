package kernel

import (
	"math"
	"sync"
)

// queryRows is how many queries of a head are answered at once: their scores
// stay in the cache, and no tokens×tokens matrix ever exists.
const queryRows = 48

// Attention computes softmax(q·kᵀ/√dim)·v for each head. qkv is
// (tokens, 3·heads·dim), a row being [q|k|v] and each of these head after
// head; out is (tokens, heads·dim). scratch has AttentionScratch elements.
func Attention(out, qkv []float32, tokens, heads, dim int, scratch []float32) {
	if tokens <= 0 || heads <= 0 || dim <= 0 {
		return
	}
	checkLen("Attention: out", len(out), tokens*heads*dim)
	checkLen("Attention: qkv", len(qkv), 3*tokens*heads*dim)
	checkLen("Attention: scratch", len(scratch), AttentionScratch(tokens, heads, dim))
	a := attentions.Get().(*attention)
	*a = attention{out: out, qkv: qkv, tokens: tokens, heads: heads, dim: dim, scratch: scratch}
	run(a, heads, attentionWorkers(tokens, heads, dim))
	*a = attention{}
	attentions.Put(a)
}

// AttentionScratch is the number of float32s that Attention needs as scratch.
func AttentionScratch(tokens, heads, dim int) int {
	return attentionWorkers(tokens, heads, dim) * headScratch(tokens, dim)
}

func headScratch(tokens, dim int) int {
	wide := panels(tokens) * Panel
	return wide*dim + panels(dim)*Panel*tokens + queryRows*wide + queryRows*panels(dim)*Panel
}

// attentionWorkers is 1 for attention too small to spread, by the same
// threshold as a product's.
func attentionWorkers(tokens, heads, dim int) int {
	if 2*tokens*tokens*heads*dim < parallelWork {
		return 1
	}
	return min(workers, heads)
}

var attentions = sync.Pool{New: func() any { return new(attention) }}

// An attention is one call of Attention under way; its units are heads.
type attention struct {
	out, qkv           []float32
	tokens, heads, dim int
	scratch            []float32
}

func (a *attention) unit(worker, head int) {
	tokens, dim := a.tokens, a.dim
	ld := 3 * a.heads * dim
	wide, wideDim := panels(tokens)*Panel, panels(dim)*Panel
	scratch := a.scratch[worker*headScratch(tokens, dim):][:headScratch(tokens, dim)]
	keys, scratch := cut(scratch, wide*dim)
	values, scratch := cut(scratch, wideDim*tokens)
	scores, sums := cut(scratch, queryRows*wide)

	q := a.qkv[head*dim:]
	Pack(keys, a.qkv[(a.heads+head)*dim:], ld, tokens, dim)
	packTransposed(values, a.qkv[(2*a.heads+head)*dim:], ld, dim, tokens)
	scale := float32(1 / math.Sqrt(float64(dim)))
	for t := 0; t < tokens; t += queryRows {
		rows := min(queryRows, tokens-t)
		wholePanels(scores, wide, q[t*ld:], ld, rows, keys, dim)
		Softmax(scores, rows, tokens, wide, scale)
		if wideDim == dim {
			wholePanels(a.out[(t*a.heads+head)*dim:], a.heads*dim, scores, wide, rows, values, tokens)
			continue
		}
		wholePanels(sums, wideDim, scores, wide, rows, values, tokens)
		copyTile(a.out[(t*a.heads+head)*dim:], a.heads*dim, sums, wideDim, rows, dim)
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
