package kernel

// fitsOnePart reports whether all inputs are multiplied in one go, as they have to
// be where the sums end in BF16: there is no room for them to wait in dst.
func (p *product) fitsOnePart() bool {
	b := newOperand(p.bf16)
	return paddedBF16(p.k)+p.own() <= b.depth
}

// throughFloat32 computes a dst in BF16 in float32 first.
func (p *product) throughFloat32() {
	dst := p.dst
	sums := make([]float32, p.rows*p.n)
	p.dst = Float32s(sums, p.n)
	multiply(*p)
	for r := range p.rows {
		narrow(dst.BF16[r*dst.Stride:][:p.n], sums[r*p.n:][:p.n])
	}
}

// tileNarrow computes a whole panel's tile and rounds it into dst.
func (p *product) tileNarrow(b *operand, from int, a area, n0 int) {
	sums := b.room.sums[:a.rows*Panel]
	b.tile(sums, Panel, from, a.rows, false)
	p.finish(sums, Panel, a.row, a.rows, n0)
	narrowTile(p.dst.BF16[a.row*p.dst.Stride+n0:], p.dst.Stride, sums, a.rows, Panel)
}

// narrowTile rounds a tile (rows, 32), its first columns, to BF16.
func narrowTile(dst []uint16, ldd int, tile []float32, rows, cols int) {
	if cols == Panel {
		roundTile(dst, ldd, tile, rows)
		return
	}
	for r := range rows {
		narrow(dst[r*ldd:][:cols], tile[r*Panel:])
	}
}

// narrow rounds to BF16 as the current level's products do.
func narrow(dst []uint16, src []float32) {
	if multipliesBF16() {
		roundBF16(dst, src[:len(dst)])
		return
	}
	toHalf(dst, src[:len(dst)], BF16)
}

func roundTileGeneric(dst []uint16, ldd int, tile []float32, rows int) {
	for r := range rows {
		toHalf(dst[r*ldd:][:Panel], tile[r*Panel:][:Panel], BF16)
	}
}
