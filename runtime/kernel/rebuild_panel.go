package kernel

// panel rebuilds one panel of a target.
func (b *rebuild) panel(t *rebuildTarget, panel int, scratch []float32) {
	l := b.layer
	sums, scratch := cut(scratch, meanRows*Panel)
	s := b.leftTimesCore(t, panel, scratch)
	mean := l.Mean[panel*l.N*Panel:]
	for r := 0; r < l.N; r += meanRows {
		rows := min(meanRows, l.N-r)
		next := mean[(r+rows)*Panel:]
		prefetch(next[:min(meanRows*Panel, len(next))])
		if !b.bf16 {
			to := t.F32[(panel*l.N+r)*Panel:][:rows*Panel]
			fromFloat16(to, mean[r*Panel:][:rows*Panel], l.MeanType)
			b.addProduct(to, t.right, r, rows, s)
			continue
		}
		padded := paddedBF16(rows) * Panel
		to := t.BF16[(panel*paddedBF16(l.N)+r)*Panel:][:padded]
		prefetchToWrite(to)
		fromFloat16(sums[:rows*Panel], mean[r*Panel:][:rows*Panel], l.MeanType)
		b.addProduct(sums, t.right, r, rows, s)
		clear(sums[rows*Panel : padded])
		b.packPairs(to, sums[:padded])
	}
	if l.Bias {
		b.bias(t, panel, s)
	}
}

func (b *rebuild) packPairs(pairs []uint16, src []float32) {
	if b.native {
		packPairsNative(pairs, src)
	} else {
		packPairs(pairs, src)
	}
}

// A factor is the right factor of a product with a Matrix: (k, 32) in float32, or with
// native in pairs.
type factor struct {
	f32   []float32
	pairs []uint16
}

// leftTimesCore forms a panel's S = Left·core, (rights, 32), in scratch.
func (b *rebuild) leftTimesCore(t *rebuildTarget, panel int, scratch []float32) factor {
	l, c := b.layer, t.Core
	left, scratch := cut(scratch, paddedBF16(l.P)*Panel)
	padded, scratch := cut(scratch, paddedBF16(len(c.Rights))*Panel)
	s := factor{f32: padded[:len(c.Rights)*Panel]}
	if from := l.Left[panel*l.P*Panel:][:l.P*Panel]; t.dense.Stride > 0 {
		clear(s.f32)
		b.addProduct(s.f32, t.dense, 0, len(c.Rights), b.gatherLeft(left, from, t.lefts))
	} else {
		for _, i := range t.lefts {
			fromFloat16(left[i*Panel:][:Panel], from[i*Panel:][:Panel], BF16)
		}
		for i := range c.Rights {
			lefts, values := c.column(i)
			combine((*[Panel]float32)(s.f32[i*Panel:]), left, lefts, values)
		}
	}
	if b.native {
		clear(padded[len(s.f32):])
		s.pairs = asUint16s(scratch)[:len(padded)]
		packPairsNative(s.pairs, padded)
	}
	return s
}

// gatherLeft copies the used left directions of a panel to buf.
func (b *rebuild) gatherLeft(buf []float32, left []uint16, lefts []int32) factor {
	if !b.native {
		for i, at := range lefts {
			fromFloat16(buf[i*Panel:][:Panel], left[at*Panel:][:Panel], BF16)
		}
		return factor{f32: buf}
	}
	padded := paddedBF16(len(lefts)) * Panel
	rows, pairs := asUint16s(buf)[:padded], asUint16s(buf)[padded:2*padded]
	gatherRows(rows, left, lefts)
	clear(rows[len(lefts)*Panel:])
	interleaveBF16(pairs, rows, Panel)
	return factor{pairs: pairs}
}

// addProduct adds count rows of m, from row on, times s to dst (count, 32).
func (b *rebuild) addProduct(dst []float32, m Matrix, row, count int, s factor) {
	if m.Stride == 0 {
		return
	}
	height := tileRows()
	if b.native {
		height = tileRowsBF16()
	}
	tiles := (count + height - 1) / height
	for i := range tiles {
		r0, r1 := i*count/tiles, (i+1)*count/tiles
		at := (row + r0) * m.Stride
		if b.native {
			tileBF16(dst[r0*Panel:], Panel, m.BF16[at:], m.Stride, s.pairs, r1-r0, true)
		} else {
			tile(dst[r0*Panel:], Panel, m.F32[at:], m.Stride, s.f32, r1-r0, m.Stride, true)
		}
	}
}

// bias rebuilds a panel's part of the bias, whose inputs are the last row of Right.
func (b *rebuild) bias(t *rebuildTarget, panel int, s factor) {
	l := b.layer
	var row [Panel]float32
	width := min(Panel, l.M-panel*Panel)
	copy(row[:], l.MeanBias[panel*Panel:][:width])
	b.addProduct(row[:], t.right, l.N, 1, s)
	copy(t.Bias[panel*Panel:][:width], row[:])
}
