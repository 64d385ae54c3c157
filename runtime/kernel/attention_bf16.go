package kernel

// answerBF16 is answer with BF16 products; only with multipliesBF16. Tokens and
// dim are filled up to whole steps with zeros, as in WeightsBF16.
func (h *attentionHead) answerBF16(scratch []float32) {
	keys, scratch := cut(scratch, h.wide*h.deep/2)
	values, scratch := cut(scratch, h.wide*h.deep/2)
	scores, scratch := cut(scratch, queryRows*h.wide)
	sums, rounded := cut(scratch, queryRows*h.deep)
	h.packKeysBF16(keys, rounded)
	h.packValuesBF16(values, scores)
	x := asHalves(rounded)
	for t := 0; t < h.tokens; t += queryRows {
		rows := min(queryRows, h.tokens-t)
		h.round(x, h.q[t*h.ld:], rows)
		wholePanelsBF16(scores, h.wide, x, h.deep, rows, asHalves(keys))
		Softmax(scores, rows, h.tokens, h.wide, h.scale)
		for r := range rows {
			clear(scores[r*h.wide+h.tokens : (r+1)*h.wide])
		}
		roundBF16(x[:rows*h.wide], scores[:rows*h.wide])
		c, ldc := h.room(sums, t)
		wholePanelsBF16(c, ldc, x, h.wide, rows, asHalves(values))
		h.settle(sums, t, rows)
	}
}

// packKeysBF16 lays the keys into panels. A pair of a key's elements is moved
// like one float32; room has space for a panel's keys.
func (h *attentionHead) packKeysBF16(keys, room []float32) {
	for t := 0; t < h.tokens; t += Panel {
		rows := min(Panel, h.tokens-t)
		h.prefetch(t)
		h.round(asHalves(room), h.k[t*h.ld:], rows)
		packPanel(keys[t*h.deep/2:], room, h.deep/2, rows, h.deep/2)
	}
}

// prefetch asks, when a panel's keys from token t on are packed, for their queries
// and values and for the next panel's keys: in each token's row they are a few
// cache lines, which the processor does not foresee.
func (h *attentionHead) prefetch(t int) {
	for at := t * h.ld; at < min(t+Panel, h.tokens)*h.ld; at += h.ld {
		prefetch(asHalves(h.v[at:][:h.dim]))
		prefetch(asHalves(h.q[at:][:h.dim]))
	}
	for at := (t + Panel) * h.ld; at < min(t+2*Panel, h.tokens)*h.ld; at += h.ld {
		prefetch(asHalves(h.k[at:][:h.dim]))
	}
}

// packValuesBF16 lays the values into panels, whose pairs are of two tokens;
// room has space for a panel in float32.
func (h *attentionHead) packValuesBF16(values, room []float32) {
	room = room[:h.wide*Panel]
	clear(room[h.tokens*Panel:])
	for d := 0; d < h.dim; d += Panel {
		packTransposed(room, h.v[d:], h.ld, min(Panel, h.dim-d), h.tokens)
		roundPairsBF16(asHalves(values[d*h.wide/2:][:h.wide*Panel/2]), room)
	}
}

// round rounds rows of q or k, and fills them up to (rows, deep).
func (h *attentionHead) round(dst []uint16, x []float32, rows int) {
	for r := range rows {
		to := dst[r*h.deep:][:h.deep]
		roundBF16(to[:h.dim], x[r*h.ld:][:h.dim])
		clear(to[h.dim:])
	}
}

// wholePanelsBF16 multiplies x (rows, ldx) by every panel (ldx/2, 32, 2), into c
// whose rows have room for whole panels.
func wholePanelsBF16(c []float32, ldc int, x []uint16, ldx, rows int, panels []uint16) {
	tall := tileRowsBF16()
	tiles := (rows + tall - 1) / tall
	for n0 := 0; n0*ldx < len(panels); n0 += Panel {
		for t := range tiles {
			r0, r1 := t*rows/tiles, (t+1)*rows/tiles
			tileBF16(c[r0*ldc+n0:], ldc, x[r0*ldx:], ldx, panels[n0*ldx:][:Panel*ldx], r1-r0, false)
		}
	}
}
