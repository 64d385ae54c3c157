package kernel

// fitsOnePart reports whether all inputs are multiplied in one part. A BF16 dst
// requires it, since dst cannot hold sums in between.
func (p *product) fitsOnePart() bool {
	o := newOperand(p.bf16)
	return paddedBF16(p.k)+p.extraInputs() <= o.depth
}

// multiplyViaFloat32 computes a BF16 dst in float32 first.
func (p *product) multiplyViaFloat32() {
	dst := p.dst
	sums := make([]float32, p.rows*p.n)
	p.dst = Float32s(sums, p.n)
	multiply(*p)
	for r := range p.rows {
		storeBF16(dst.BF16[r*dst.Stride:][:p.n], sums[r*p.n:][:p.n])
	}
}

// tileToBF16 computes a tile of a whole panel and rounds it into dst.
func (p *product) tileToBF16(o *operand, from int, a area, n0 int) {
	sums := o.buffers.sums[:a.rows*Panel]
	o.tile(sums, Panel, from, a.rows, false)
	p.epilogue(sums, Panel, a.row, a.rows, n0)
	storeTileBF16(p.dst.BF16[a.row*p.dst.Stride+n0:], p.dst.Stride, sums, a.rows, Panel)
}

// storeTileBF16 rounds the first columns of a tile (rows, 32) to BF16.
func storeTileBF16(dst []uint16, ldd int, tile []float32, rows, cols int) {
	if cols == Panel {
		roundTile(dst, ldd, tile, rows)
		return
	}
	for r := range rows {
		storeBF16(dst[r*ldd:][:cols], tile[r*Panel:])
	}
}

// storeBF16 fills dst with the start of src, rounded to BF16 as the products of the
// level in use round it.
func storeBF16(dst []uint16, src []float32) {
	if multipliesBF16() {
		roundBF16(dst, src[:len(dst)])
		return
	}
	toFloat16(dst, src[:len(dst)], BF16)
}

func roundTileGeneric(dst []uint16, ldd int, tile []float32, rows int) {
	for r := range rows {
		toFloat16(dst[r*ldd:][:Panel], tile[r*Panel:][:Panel], BF16)
	}
}
