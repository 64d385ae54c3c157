package kernel

import "sync"

// An operand is the part of a term that is multiplied next, inputs k0 to k1 of
// some rows and of a panel, in the form that the tile reads.
type operand struct {
	term
	bf16   bool
	depth  int // inputs in a part, at most
	tall   int // rows in a tile, at most
	rows   int
	copies bool // the rows are copied together
	k0, k1 int
	room   *room

	// float32, (rows, k1−k0) with stride ldx and (k1−k0, 32):
	x       []float32
	ldx     int
	weights []float32
	// BF16 where the processor multiplies it, (rows, padded) with stride ldx
	// and (padded/2, 32, 2):
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
}

// gap is one cache line between copied rows, so that the rows of a tile do not
// all fall on the same cache lines.
const gap = 16

var rooms = sync.Pool{New: func() any { return new(room) }}

// newOperand settles the form.
func newOperand(bf16 bool) operand {
	if bf16 && multipliesBF16() {
		return operand{bf16: true, depth: depthBF16, tall: tileRowsBF16()}
	}
	return operand{bf16: bf16, depth: depth, tall: tileRows()}
}

// open begins a term, whose x starts at the area's first row.
func (b *operand) open(t term, a area) {
	b.term, b.rows = t, a.rows
	b.copies = b.collides(a.end - a.first)
	if b.room == nil && (b.bf16 || b.copies || t.stock.data != nil) {
		b.room = rooms.Get().(*room)
	}
}

func (b *operand) close() {
	if b.room != nil {
		rooms.Put(b.room)
	}
}

// collides reports whether copying the rows together pays. It does where their
// stride is a multiple of half a way of the first-level cache: all rows of a
// tile would fall on the same few cache lines and push each other out.
func (b *operand) collides(panels int) bool {
	const halfWay = 512 // elements
	return b.term.ldx%halfWay == 0 && b.rows > 4 && panels > 2
}

// take makes ready the rows' inputs k0 to k1.
func (b *operand) take(k0, k1 int) {
	b.k0, b.k1 = k0, k1
	b.x, b.ldx = b.term.x[min(k0, len(b.term.x)):], b.term.ldx
	switch {
	case b.bf16:
		b.round()
	case b.copies:
		copyTile(b.room.x[:], depth+gap, b.x, b.ldx, b.rows, k1-k0)
		b.x, b.ldx = b.room.x[:], depth+gap
	}
}

// round rounds the rows to BF16 and fills them up to whole steps of 32 inputs;
// where the processor cannot multiply BF16, it makes them float32 again.
func (b *operand) round() {
	k := b.k1 - b.k0
	padded := paddedBF16(k)
	stride := padded + 2*gap
	b.rounded = b.room.rounded[:]
	for r := range b.rows {
		row := b.rounded[r*stride:][:padded]
		if multipliesBF16() {
			roundBF16(row[:k], b.x[r*b.ldx:][:k])
			clear(row[k:])
			continue
		}
		toHalf(row[:k], b.x[r*b.ldx:][:k], BF16)
		fromHalf(b.room.x[r*(depth+gap):][:k], row[:k], BF16)
	}
	b.x, b.ldx = b.room.x[:], depth+gap
	if multipliesBF16() {
		b.ldx = stride
	}
}

// turn makes ready a panel's part.
func (b *operand) turn(panel int) {
	k := b.k1 - b.k0
	switch {
	case b.stock.data != nil:
		b.turnStock(panel)
	case !b.bf16:
		b.weights = b.panels[(panel*b.k+b.k0)*Panel:][:k*Panel]
	default:
		b.pairs = b.term.pairs[(panel*paddedBF16(b.k)+b.k0)*Panel:][:paddedBF16(k)*Panel]
		if !multipliesBF16() {
			b.weights = b.room.weights[:len(b.pairs)]
			splitPairs(b.weights, b.pairs)
		}
	}
}

// turnStock makes a panel's part from weights in 16 bits.
func (b *operand) turnStock(panel int) {
	k := b.k1 - b.k0
	h, half := b.stock.part(b.room.halves[:], panel, b.k0, b.k1), b.stock.half
	if b.bf16 && half != BF16 {
		rounded := b.room.halves[:len(h)]
		convert(rounded, h, half)
		h, half = rounded, BF16
	}
	if !b.bf16 || !multipliesBF16() {
		b.weights = b.room.weights[:k*Panel]
		fromHalf(b.weights, h, half)
		return
	}
	b.pairs = asHalves(b.room.weights[:])[:paddedBF16(k)*Panel]
	even := k &^ 1
	pairBF16(b.pairs, h[:even*Panel])
	if rest := b.pairs[even*Panel:]; len(rest) > 0 {
		clear(rest)
		for j, w := range h[even*Panel:] {
			rest[2*j] = w
		}
	}
}

// prefetch asks for a share of the panel's part that will be turned next, if it
// lies together: turning it would wait for memory, multiplying does not.
func (b *operand) prefetch(panel, share, shares int) {
	s := &b.stock
	if s.data == nil || s.columns != nil || s.inputs != nil || (panel+1)*s.stride*Panel > len(s.data) {
		return
	}
	k := b.k1 - b.k0
	k0, k1 := b.k0+share*k/shares, b.k0+(share+1)*k/shares
	prefetch(s.data[(panel*s.stride+k0)*Panel : (panel*s.stride+k1)*Panel])
}

// tile multiplies rows of the part, from r0 on, by the panel's part into c.
func (b *operand) tile(c []float32, ldc, r0, rows int, load bool) {
	if b.bf16 && multipliesBF16() {
		tileBF16(c, ldc, b.rounded[r0*b.ldx:], b.ldx, b.pairs, rows, load)
		return
	}
	tile(c, ldc, b.x[min(r0*b.ldx, len(b.x)):], b.ldx, b.weights, rows, b.k1-b.k0, load)
}
