package kernel

import "sync"

// An operand is the part of a term that is multiplied next, inputs k0 to k1 of
// some rows and of a panel, in the form that the tile reads.
type operand struct {
	term
	bf16   bool
	native bool // BF16, and the processor multiplies it
	depth  int  // inputs in a part, at most
	tall   int  // rows in a tile, at most
	rows   int
	copies bool // the rows are copied together
	k0, k1 int
	width  int // of the part: k1−k0, with native filled up to whole steps of 32
	room   *room

	// float32, (rows, k) with stride ldx and (k, 32):
	x       []float32
	ldx     int
	weights []float32
	// with native, (rows, padded) with stride ldx and (padded/2, 32, 2):
	rounded []uint16
	pairs   []uint16
}

// A room holds a block's rows copied together, or rounded, and a panel's part
// on its way to the form that is multiplied.
type room struct {
	x       [blockRows * (depth + gap)]float32
	weights [depth * Panel]float32 // or, in the same bytes, pairs
	rounded [blockRows * (depthBF16 + 2*gap)]uint16
	halves  [depthBF16 * Panel]uint16
	sums    [maxTileRows * Panel]float32 // of a tile that ends in BF16
}

// wide is room for a row that becomes BF16.
func (r *room) wide(cols int) []float32 {
	if cols > len(r.x) {
		return make([]float32, cols)
	}
	return r.x[:cols]
}

// gap is one cache line between copied rows, so that the rows of a tile do not
// all fall on the same cache lines.
const gap = 16

var rooms = sync.Pool{New: func() any { return new(room) }}

// newOperand settles the form.
func newOperand(bf16 bool) operand {
	if bf16 && multipliesBF16() {
		return operand{bf16: true, native: true, depth: depthBF16, tall: tileRowsBF16()}
	}
	return operand{bf16: bf16, depth: depth, tall: tileRows()}
}

// open begins a term, whose x starts at the area's first row and may get so many
// inputs of others beside it; narrow is whether its sums end in BF16.
func (b *operand) open(t term, a area, own int, narrow bool) {
	b.term, b.rows = t, a.rows
	b.copies = own > 0 || b.collides(a.end-a.first)
	if b.room == nil && (b.bf16 || b.copies || narrow || t.stock.data != nil) {
		b.room = rooms.Get().(*room)
	}
}

func (b *operand) close() {
	if b.room != nil {
		rooms.Put(b.room)
	}
}

// collides reports whether copying the rows together pays: where a tile's would
// push each other out of the first-level cache.
func (b *operand) collides(panels int) bool {
	return collides(b.term.x.Stride) && b.rows > 4 && panels > 2
}

// take makes ready the rows' inputs k0 to k1, with room for so many more.
func (b *operand) take(k0, k1, own int) {
	b.k0, b.k1, b.width = k0, k1, k1-k0
	x := b.term.x.columns(k0)
	switch {
	case b.native && x.BF16 != nil && own == 0:
		b.width = paddedBF16(k1 - k0)
		b.ldx, b.rounded = x.Stride, x.BF16
		return
	case b.native:
		b.width = paddedBF16(k1 - k0)
		b.ldx, b.rounded = b.width+own+2*gap, b.room.rounded[:]
	case b.bf16 || b.copies:
		b.ldx, b.x = depth+gap, b.room.x[:]
	default:
		b.ldx, b.x = x.Stride, x.F32
		return
	}
	b.place(x, 0, b.rows, k1-k0, 0)
}

// place puts k inputs of some rows, x, into the room at a row and a column: as
// they are, or rounded to BF16 and filled up to whole steps of 32; where the
// processor cannot multiply BF16, float32 again.
func (b *operand) place(x Matrix, row, rows, k, column int) {
	for r := range rows {
		at := (row+r)*b.ldx + column
		switch {
		case b.native && x.BF16 != nil:
			to := b.rounded[at:][:paddedBF16(k)]
			clear(to[copy(to, x.BF16[r*x.Stride:][:k]):])
		case b.native:
			to := b.rounded[at:][:paddedBF16(k)]
			roundBF16(to[:k], x.F32[r*x.Stride:][:k])
			clear(to[k:])
		case x.BF16 != nil:
			fromHalf(b.x[at:][:k], x.BF16[r*x.Stride:][:k], BF16)
		case b.bf16:
			half := b.room.halves[:k]
			toHalf(half, x.F32[r*x.Stride:][:k], BF16)
			fromHalf(b.x[at:][:k], half, BF16)
		default:
			copy(b.x[at:][:k], x.F32[r*x.Stride:][:k])
		}
	}
}

// turn makes ready a panel's part.
func (b *operand) turn(panel int) {
	k := b.k1 - b.k0
	switch {
	case b.stock.data != nil:
		b.turnStock(&b.stock, panel, b.k0, b.k1, 0)
	case !b.bf16:
		b.weights = b.panels[(panel*b.k+b.k0)*Panel:][:k*Panel]
	default:
		b.pairs = b.term.pairs[(panel*paddedBF16(b.k)+b.k0)*Panel:][:paddedBF16(k)*Panel]
		if !b.native {
			splitPairs(b.room.weights[:len(b.pairs)], b.pairs)
			b.weights = b.room.weights[:k*Panel]
		}
	}
}

// turnStock makes inputs k0 to k1 of a panel from weights in 16 bits, behind so
// many inputs that are turned already.
func (b *operand) turnStock(s *stock, panel, k0, k1, at int) {
	k := k1 - k0
	h, half := s.part(b.room.halves[:], panel, k0, k1), s.half
	if b.bf16 && half != BF16 {
		rounded := b.room.halves[:len(h)]
		convert(rounded, h, half)
		h, half = rounded, BF16
	}
	if !b.native {
		b.weights = b.room.weights[:(at+k)*Panel]
		fromHalf(b.weights[at*Panel:], h, half)
		return
	}
	b.pairs = asHalves(b.room.weights[:])[:(at+paddedBF16(k))*Panel]
	to, even := b.pairs[at*Panel:], k&^1
	pairBF16(to[:even*Panel], h, Panel)
	if rest := to[even*Panel:]; len(rest) > 0 {
		clear(rest)
		for j, w := range h[even*Panel:] {
			rest[2*j] = w
		}
	}
}

// prefetch asks for the panel's part that will be turned next, if it lies
// together, for rows r0 to r1 their share of it: turning it would wait for
// memory, multiplying does not.
func (b *operand) prefetch(panel, r0, r1 int) {
	s := &b.stock
	if s.data == nil || s.columns != nil || s.inputs != nil || (panel+1)*s.stride*Panel > len(s.data) {
		return
	}
	k, at := b.k1-b.k0, panel*s.stride+b.k0
	prefetch(s.data[(at+r0*k/b.rows)*Panel : (at+r1*k/b.rows)*Panel])
}

// tile multiplies rows of the part, from r0 on, by what is turned of the panel
// into c.
func (b *operand) tile(c []float32, ldc, r0, rows int, load bool) {
	if b.native {
		tileBF16(c, ldc, b.rounded[r0*b.ldx:], b.ldx, b.pairs, rows, load)
		return
	}
	tile(c, ldc, b.x[min(r0*b.ldx, len(b.x)):], b.ldx, b.weights, rows, len(b.weights)/Panel, load)
}
