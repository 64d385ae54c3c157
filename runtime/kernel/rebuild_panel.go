package kernel

import "unsafe"

// A matrix holds what a tile reads rows of: float32, or BF16 whose rows are
// filled up to whole steps of 32.
type matrix struct {
	wide   []float32
	halves []uint16
	cols   int
}

// matrixIn is a matrix in a room, which is large enough.
func matrixIn(room []float32, cols int, native bool) matrix {
	if native {
		return matrix{halves: asHalves(room), cols: paddedBF16(cols)}
	}
	return matrix{wide: room, cols: cols}
}

// asHalves is the same memory as twice as many uint16s.
func asHalves(x []float32) []uint16 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&x[0])), 2*len(x))
}

// asFloats is the same memory as half as many float32s; it starts where a float32
// may.
func asFloats(x []uint16) []float32 {
	if len(x) < 2 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), len(x)/2)
}

// panel rebuilds one panel.
func (b *rebuild) panel(t *rebuildTarget, panel int, room []float32) {
	l := b.layer
	wide, room := cut(room, meanRows*Panel)
	s := b.combine(t, panel, room)
	mean := l.Mean[panel*l.N*Panel:]
	for r := 0; r < l.N; r += meanRows {
		rows := min(meanRows, l.N-r)
		ahead := mean[(r+rows)*Panel:]
		prefetch(ahead[:min(meanRows*Panel, len(ahead))])
		if !b.bf16 {
			to := t.dst[(panel*l.N+r)*Panel:][:rows*Panel]
			fromHalf(to, mean[r*Panel:][:rows*Panel], l.MeanType)
			b.multiply(to, t.right, r, rows, s)
			continue
		}
		padded := paddedBF16(rows) * Panel
		to := t.dst16[(panel*paddedBF16(l.N)+r)*Panel:][:padded]
		prefetchToWrite(to)
		fromHalf(wide[:rows*Panel], mean[r*Panel:][:rows*Panel], l.MeanType)
		b.multiply(wide, t.right, r, rows, s)
		clear(wide[rows*Panel : padded])
		b.join(to, wide[:padded])
	}
	if l.Bias {
		b.finishBias(t, panel, s)
	}
}

func (b *rebuild) join(pairs []uint16, wide []float32) {
	if b.native {
		roundPairsBF16(pairs, wide)
	} else {
		joinPairs(pairs, wide)
	}
}

// operands are what a panel's columns meet: (k, 32), or with native pairs.
type operands struct {
	wide  []float32
	pairs []uint16
}

// combine forms one panel's S, (rights, 32), in its worker's room.
func (b *rebuild) combine(t *rebuildTarget, panel int, room []float32) operands {
	l, c := b.layer, t.core
	left, room := cut(room, paddedBF16(l.P)*Panel)
	wide, room := cut(room, paddedBF16(len(c.Rights))*Panel)
	s := operands{wide: wide[:len(c.Rights)*Panel]}
	if from := l.Left[panel*l.P*Panel:][:l.P*Panel]; t.dense.cols > 0 {
		clear(s.wide)
		b.multiply(s.wide, t.dense, 0, len(c.Rights), b.pickLeft(left, from, t.lefts))
	} else {
		for _, i := range t.lefts {
			fromHalf(left[i*Panel:][:Panel], from[i*Panel:][:Panel], BF16)
		}
		for i := range c.Rights {
			lefts, values := c.nonzeros(i)
			combine((*[Panel]float32)(s.wide[i*Panel:]), left, lefts, values)
		}
	}
	if b.native {
		clear(wide[len(s.wide):])
		s.pairs = asHalves(room)[:len(wide)]
		roundPairsBF16(s.pairs, wide)
	}
	return s
}

// pickLeft writes a panel's used left directions side by side to the room.
func (b *rebuild) pickLeft(room []float32, left []uint16, lefts []int32) operands {
	if !b.native {
		for i, at := range lefts {
			fromHalf(room[i*Panel:][:Panel], left[at*Panel:][:Panel], BF16)
		}
		return operands{wide: room}
	}
	padded := paddedBF16(len(lefts)) * Panel
	halves, pairs := asHalves(room)[:padded], asHalves(room)[padded:2*padded]
	pick(halves, left, lefts)
	clear(halves[len(lefts)*Panel:])
	pairBF16(pairs, halves, Panel)
	return operands{pairs: pairs}
}

// multiply adds a matrix's rows, from row on, times s to dst (count, 32).
func (b *rebuild) multiply(dst []float32, m matrix, row, count int, s operands) {
	if m.cols == 0 {
		return
	}
	tall := tileRows()
	if b.native {
		tall = tileRowsBF16()
	}
	tiles := (count + tall - 1) / tall
	for i := range tiles {
		r0, r1 := i*count/tiles, (i+1)*count/tiles
		at := (row + r0) * m.cols
		if b.native {
			tileBF16(dst[r0*Panel:], Panel, m.halves[at:], m.cols, s.pairs, r1-r0, true)
		} else {
			tile(dst[r0*Panel:], Panel, m.wide[at:], m.cols, s.wide, r1-r0, m.cols, true)
		}
	}
}

func (b *rebuild) finishBias(t *rebuildTarget, panel int, s operands) {
	l := b.layer
	var row [Panel]float32
	width := min(Panel, l.M-panel*Panel)
	copy(row[:], l.MeanBias[panel*Panel:][:width])
	b.multiply(row[:], t.right, l.N, 1, s)
	copy(t.bias[panel*Panel:][:width], row[:])
}
