package kernel

// answerBF16 is answer with BF16 products. Tokens and dim are filled up to whole
// steps with zeros, as in WeightsBF16.
func (h *attentionHead) answerBF16(scratch []float32) {
	keys, scratch := cut(scratch, h.wide*h.deep/2)
	values, scratch := cut(scratch, h.wide*h.deep/2)
	scores, scratch := cut(scratch, queryRows*h.wide)
	sums, rounded := cut(scratch, queryRows*h.deep)
	h.packKeysBF16(keys, asHalves(rounded))
	h.packValuesBF16(asHalves(values), asHalves(scores))
	x := asHalves(rounded)
	for t := 0; t < h.queries; t += queryRows {
		rows, out := min(queryRows, h.queries-t), h.out.From(t)
		q := h.wholeSteps(h.q.From(t), rows, x)
		wholePanelsBF16(scores, h.wide, q.BF16, q.Stride, rows, asHalves(keys), h.deep)
		Softmax(scores, rows, h.tokens, h.wide, h.scale)
		for r := range rows {
			clear(scores[r*h.wide+h.tokens : (r+1)*h.wide])
		}
		roundBF16(x[:rows*h.wide], scores[:rows*h.wide])
		wholePanelsBF16(sums, h.deep, x, h.wide, rows, asHalves(values), h.wide)
		for r := range rows {
			roundBF16(out.BF16[r*out.Stride:][:h.dim], sums[r*h.deep:][:h.dim])
		}
	}
}

// wholeSteps gives rows of q or k, (rows, deep): where they lie, or filled up with
// zeros in the room.
func (h *attentionHead) wholeSteps(x Matrix, rows int, room []uint16) Matrix {
	if h.dim == h.deep {
		return x
	}
	for r := range rows {
		to := room[r*h.deep:][:h.deep]
		clear(to[copy(to, x.BF16[r*x.Stride:][:h.dim]):])
	}
	return Matrix{BF16: room, Stride: h.deep}
}

// packKeysBF16 lays the keys into panels. A pair of a key's elements is moved
// like one float32; room has space for a panel's keys.
func (h *attentionHead) packKeysBF16(keys []float32, room []uint16) {
	for t := 0; t < h.tokens; t += Panel {
		rows := min(Panel, h.tokens-t)
		h.prefetch(t)
		k := h.wholeSteps(h.k.From(t), rows, room)
		packPanel(keys[t*h.deep/2:], asFloats(k.BF16), k.Stride/2, rows, h.deep/2)
	}
}

// prefetch asks, when a panel's keys from token t on are packed, for their queries
// and values and for the next panel's keys: in each token's row they are a few
// cache lines, which the processor does not foresee.
func (h *attentionHead) prefetch(t int) {
	ask := func(m Matrix, t, end int) {
		for ; t < min(end, h.tokens); t++ {
			prefetch(m.BF16[t*m.Stride:][:h.dim])
		}
	}
	ask(h.v, t, t+Panel)
	ask(h.q, t, min(t+Panel, h.queries))
	ask(h.k, t+Panel, t+2*Panel)
}

// packValuesBF16 lays the values into panels, whose pairs are of two tokens. Those
// that are not whole pairs of whole panels are copied together in the room first,
// which has space for a panel.
func (h *attentionHead) packValuesBF16(values, room []uint16) {
	for d := 0; d < h.dim; d += Panel {
		panel, v, width := values[d*h.wide:][:h.wide*Panel], h.v.columns(d), min(Panel, h.dim-d)
		whole := 0
		if width == Panel {
			whole = h.tokens &^ 1
			pairBF16(panel[:whole*Panel], v.BF16, v.Stride)
		}
		rest := room[:(h.wide-whole)*Panel]
		clear(rest)
		for t := whole; t < h.tokens; t++ {
			copy(rest[(t-whole)*Panel:], v.BF16[t*v.Stride:][:width])
		}
		pairBF16(panel[whole*Panel:], rest, Panel)
	}
}

// wholePanelsBF16 multiplies x (rows, k) by every panel (k/2, 32, 2), into c whose
// rows have room for whole panels.
func wholePanelsBF16(c []float32, ldc int, x []uint16, ldx, rows int, panels []uint16, k int) {
	tall := tileRowsBF16()
	tiles := (rows + tall - 1) / tall
	for n0 := 0; n0*k < len(panels); n0 += Panel {
		for t := range tiles {
			r0, r1 := t*rows/tiles, (t+1)*rows/tiles
			tileBF16(c[r0*ldc+n0:], ldc, x[r0*ldx:], ldx, panels[n0*k:][:Panel*k], r1-r0, false)
		}
	}
}
