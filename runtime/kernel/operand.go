package kernel

import "sync"

// An operand holds what the micro-kernel multiplies next: inputs k0 to k1 of a block
// of rows and of a panel, in the form that the micro-kernel reads. Rows and panels
// that are in that form already are read in place; others are copied to buffers.
type operand struct {
	term
	bf16     bool // the factors are BF16
	native   bool // and the processor multiplies it
	depth    int  // maximum number of inputs in a part
	tileRows int  // maximum number of rows in a tile
	rows     int
	copyRows bool // copy the rows together
	k0, k1   int
	width    int // k1−k0, with native rounded up to a multiple of 32
	buffers  *buffers

	// Without native, the rows (rows, k) with stride ldx and the panel (k, 32):
	x       []float32
	ldx     int
	weights []float32
	// With native, (rows, padded k) with stride ldx and (padded k/2, 32, 2):
	xBF16        []uint16
	weightsPairs []uint16
}

// buffers hold a block of rows, copied together or rounded, and a part of a panel on
// its way to the form that is multiplied.
type buffers struct {
	x       [blockRows * (depth + gap)]float32
	weights [depth * Panel]float32 // or, in the same memory, pairs
	xBF16   [blockRows * (depthBF16 + 2*gap)]uint16
	bits16  [depthBF16 * Panel]uint16
	sums    [maxTileRows * Panel]float32 // of a tile that is stored as BF16
}

// row returns a buffer for one row of float32s.
func (b *buffers) row(cols int) []float32 {
	if cols > len(b.x) {
		return make([]float32, cols)
	}
	return b.x[:cols]
}

var bufferPool = sync.Pool{New: func() any { return new(buffers) }}

// newOperand returns an operand in the best form for the level in use.
func newOperand(bf16 bool) operand {
	if bf16 && multipliesBF16() {
		return operand{bf16: true, native: true, depth: depthBF16, tileRows: tileRowsBF16()}
	}
	return operand{bf16: bf16, depth: depth, tileRows: tileRows()}
}

// open starts a term, whose x starts at the area's first row and which may be
// followed by extra inputs. toBF16 says that its sums are stored as BF16.
func (o *operand) open(t term, a area, extra int, toBF16 bool) {
	o.term, o.rows = t, a.rows
	o.copyRows = extra > 0 || o.rowsConflict(a.end-a.first)
	if o.buffers == nil && (o.bf16 || o.copyRows || toBF16 || t.weights16.data != nil) {
		o.buffers = bufferPool.Get().(*buffers)
	}
}

func (o *operand) close() {
	if o.buffers != nil {
		bufferPool.Put(o.buffers)
	}
}

// rowsConflict reports whether the rows are worth copying together because those of
// a tile would evict each other from the first-level cache.
func (o *operand) rowsConflict(panels int) bool {
	return strideConflicts(o.term.x.Stride) && o.rows > 4 && panels > 2
}

// loadRows loads inputs k0 to k1 of the rows, and leaves room for extra more.
func (o *operand) loadRows(k0, k1, extra int) {
	o.k0, o.k1, o.width = k0, k1, k1-k0
	x := o.term.x.columns(k0)
	switch {
	case o.native && x.BF16 != nil && extra == 0:
		o.width = paddedBF16(k1 - k0)
		o.ldx, o.xBF16 = x.Stride, x.BF16
		return
	case o.native:
		o.width = paddedBF16(k1 - k0)
		o.ldx, o.xBF16 = o.width+extra+2*gap, o.buffers.xBF16[:]
	case o.bf16 || o.copyRows:
		o.ldx, o.x = depth+gap, o.buffers.x[:]
	default:
		o.ldx, o.x = x.Stride, x.F32
		return
	}
	o.copyInputs(x, 0, o.rows, k1-k0, 0)
}

// copyInputs copies k inputs of x to the buffer at a row and a column: as they are, or
// rounded to BF16 and padded with zeros to a multiple of 32; where the processor does
// not multiply BF16, rounded to BF16 and converted back.
func (o *operand) copyInputs(x Matrix, row, rows, k, column int) {
	for r := range rows {
		at := (row+r)*o.ldx + column
		switch {
		case o.native && x.BF16 != nil:
			to := o.xBF16[at:][:paddedBF16(k)]
			clear(to[copy(to, x.BF16[r*x.Stride:][:k]):])
		case o.native:
			to := o.xBF16[at:][:paddedBF16(k)]
			roundBF16(to[:k], x.F32[r*x.Stride:][:k])
			clear(to[k:])
		case x.BF16 != nil:
			fromFloat16(o.x[at:][:k], x.BF16[r*x.Stride:][:k], BF16)
		case o.bf16:
			rounded := o.buffers.bits16[:k]
			toFloat16(rounded, x.F32[r*x.Stride:][:k], BF16)
			fromFloat16(o.x[at:][:k], rounded, BF16)
		default:
			copy(o.x[at:][:k], x.F32[r*x.Stride:][:k])
		}
	}
}

// loadPanel loads inputs k0 to k1 of a panel.
func (o *operand) loadPanel(panel int) {
	k := o.k1 - o.k0
	switch {
	case o.weights16.data != nil:
		o.loadPanel16(&o.weights16, panel, o.k0, o.k1, 0)
	case !o.bf16:
		o.weights = o.panels[(panel*o.k+o.k0)*Panel:][:k*Panel]
	default:
		o.weightsPairs = o.term.pairs[(panel*paddedBF16(o.k)+o.k0)*Panel:][:paddedBF16(k)*Panel]
		if !o.native {
			unpackPairs(o.buffers.weights[:len(o.weightsPairs)], o.weightsPairs)
			o.weights = o.buffers.weights[:k*Panel]
		}
	}
}

// loadPanel16 converts inputs k0 to k1 of a panel of 16-bit weights, and puts them
// behind the first at inputs of the loaded panel.
func (o *operand) loadPanel16(w *weights16, panel, k0, k1, at int) {
	k := k1 - k0
	part, format := w.part(o.buffers.bits16[:], panel, k0, k1), w.format
	if o.bf16 && format != BF16 {
		rounded := o.buffers.bits16[:len(part)]
		convertToBF16(rounded, part, format)
		part, format = rounded, BF16
	}
	if !o.native {
		o.weights = o.buffers.weights[:(at+k)*Panel]
		fromFloat16(o.weights[at*Panel:], part, format)
		return
	}
	o.weightsPairs = asUint16s(o.buffers.weights[:])[:(at+paddedBF16(k))*Panel]
	to, even := o.weightsPairs[at*Panel:], k&^1
	interleaveBF16(to[:even*Panel], part, Panel)
	if rest := to[even*Panel:]; len(rest) > 0 {
		clear(rest)
		for j, w := range part[even*Panel:] {
			rest[2*j] = w
		}
	}
}

// prefetch prefetches a share of the panel that will be loaded next, if it is
// contiguous: rows r0 to r1's share of all rows. Loading a panel would wait for
// memory; multiplying does not.
func (o *operand) prefetch(panel, r0, r1 int) {
	w := &o.weights16
	if w.data == nil || w.columns != nil || w.inputs != nil || (panel+1)*w.stride*Panel > len(w.data) {
		return
	}
	k, at := o.k1-o.k0, panel*w.stride+o.k0
	prefetch(w.data[(at+r0*k/o.rows)*Panel : (at+r1*k/o.rows)*Panel])
}

// tile multiplies loaded rows, from r0 on, by the loaded panel into c.
func (o *operand) tile(c []float32, ldc, r0, rows int, load bool) {
	if o.native {
		tileBF16(c, ldc, o.xBF16[r0*o.ldx:], o.ldx, o.weightsPairs, rows, load)
		return
	}
	tile(c, ldc, o.x[min(r0*o.ldx, len(o.x)):], o.ldx, o.weights, rows, len(o.weights)/Panel, load)
}
