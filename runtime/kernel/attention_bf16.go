package kernel

// computeBF16 writes the head's out in BF16. Rows and dim are padded with zeros to
// whole panels, as in WeightsBF16.
func (h *attentionHead) computeBF16(scratch []float32) {
	keys, scratch := cut(scratch, h.paddedRows*h.paddedDim/2)
	values, scratch := cut(scratch, h.paddedRows*h.paddedDim/2)
	scores, scratch := cut(scratch, queryBlock*h.paddedRows)
	sums, rounded := cut(scratch, queryBlock*h.paddedDim)
	h.packKeysBF16(keys, asUint16s(rounded))
	h.packValuesBF16(asUint16s(values), asUint16s(scores))
	x := asUint16s(rounded)
	for r := 0; r < h.queries; r += queryBlock {
		block, out := min(queryBlock, h.queries-r), h.out.From(r)
		q := h.padded(h.q.From(r), block, x)
		multiplyPanelsBF16(scores, h.paddedRows, q.BF16, q.Stride, block, asUint16s(keys), h.paddedDim)
		Softmax(scores, block, h.rows, h.paddedRows, h.scale)
		for i := range block {
			clear(scores[i*h.paddedRows+h.rows : (i+1)*h.paddedRows])
		}
		roundBF16(x[:block*h.paddedRows], scores[:block*h.paddedRows])
		multiplyPanelsBF16(sums, h.paddedDim, x, h.paddedRows, block, asUint16s(values), h.paddedRows)
		for i := range block {
			roundBF16(out.BF16[i*out.Stride:][:h.dim], sums[i*h.paddedDim:][:h.dim])
		}
	}
}

// padded returns rows of q or k as (rows, paddedDim): x itself if a head fills whole
// panels, otherwise a copy in scratch with zeros behind each row.
func (h *attentionHead) padded(x Matrix, rows int, scratch []uint16) Matrix {
	if h.dim == h.paddedDim {
		return x
	}
	for r := range rows {
		to := scratch[r*h.paddedDim:][:h.paddedDim]
		clear(to[copy(to, x.BF16[r*x.Stride:][:h.dim]):])
	}
	return Matrix{BF16: scratch, Stride: h.paddedDim}
}

// packKeysBF16 packs the keys into panels. A pair of a key's elements is moved as
// one float32. scratch has room for the keys of one panel.
func (h *attentionHead) packKeysBF16(keys []float32, scratch []uint16) {
	for r := 0; r < h.rows; r += Panel {
		rows := min(Panel, h.rows-r)
		h.prefetch(r)
		k := h.padded(h.k.From(r), rows, scratch)
		packPanel(keys[r*h.paddedDim/2:], asFloat32s(k.BF16), k.Stride/2, rows, h.paddedDim/2)
	}
}

// prefetch is called before the keys from row r on are packed into a panel. It
// prefetches the queries and values of the same rows and the keys of the next panel:
// a few cache lines in each row, an access pattern that hardware does not predict.
func (h *attentionHead) prefetch(r int) {
	lines := func(m Matrix, r, end int) {
		for ; r < min(end, h.rows); r++ {
			prefetch(m.BF16[r*m.Stride:][:h.dim])
		}
	}
	lines(h.v, r, r+Panel)
	lines(h.q, r, min(r+Panel, h.queries))
	lines(h.k, r+Panel, r+2*Panel)
}

// packValuesBF16 packs the values into panels, where the values of two rows form a
// pair. Whole panels of whole pairs are packed straight from v; the rest is first
// copied to scratch, which has room for one panel, and padded with zeros.
func (h *attentionHead) packValuesBF16(values, scratch []uint16) {
	for d := 0; d < h.dim; d += Panel {
		panel, v, width := values[d*h.paddedRows:][:h.paddedRows*Panel], h.v.columns(d), min(Panel, h.dim-d)
		whole := 0
		if width == Panel {
			whole = h.rows &^ 1
			interleaveBF16(panel[:whole*Panel], v.BF16, v.Stride)
		}
		rest := scratch[:(h.paddedRows-whole)*Panel]
		clear(rest)
		for r := whole; r < h.rows; r++ {
			copy(rest[(r-whole)*Panel:], v.BF16[r*v.Stride:][:width])
		}
		interleaveBF16(panel[whole*Panel:], rest, Panel)
	}
}

// multiplyPanelsBF16 multiplies x (rows, k) by every panel (k/2, 32, 2). The rows of
// c have room for whole panels.
func multiplyPanelsBF16(c []float32, ldc int, x []uint16, ldx, rows int, panels []uint16, k int) {
	tiles := (rows + tileRowsBF16() - 1) / tileRowsBF16()
	for n0 := 0; n0*k < len(panels); n0 += Panel {
		for t := range tiles {
			r0, r1 := t*rows/tiles, (t+1)*rows/tiles
			tileBF16(c[r0*ldc+n0:], ldc, x[r0*ldx:], ldx, panels[n0*k:][:Panel*k], r1-r0, false)
		}
	}
}
