package kernel

import "sync"

// An operand is a block of a product's rows, and the part of them (inputs k0 to
// k1) and of a panel that are multiplied next, in the form that the tile reads.
type operand struct {
	*product
	row, rows int
	depth     int // inputs in a part, at most
	tall      int // rows in a tile, at most
	k0, k1    int
	room      *room

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
// turned to float32.
type room struct {
	x       [blockRows * (depth + gap)]float32
	weights [depth * Panel]float32
	rounded [blockRows * (depthBF16 + 2*gap)]uint16
}

// gap is one cache line between copied rows, so that the rows of a tile do not
// all fall on the same cache lines.
const gap = 16

var rooms = sync.Pool{New: func() any { return new(room) }}

// open settles the form for a block that meets so many panels.
func (b *operand) open(panels int) {
	b.depth, b.tall = depth, tileRows()
	if b.bf16 && multipliesBF16() {
		b.depth, b.tall = depthBF16, tileRowsBF16()
	}
	if b.bf16 || b.gathers(panels) {
		b.room = rooms.Get().(*room)
	}
}

func (b *operand) close() {
	if b.room != nil {
		rooms.Put(b.room)
	}
}

// gathers reports whether copying the rows together pays. It does where their
// stride is a multiple of half a way of the first-level cache: all rows of a
// tile would fall on the same few cache lines and push each other out.
func (b *operand) gathers(panels int) bool {
	const halfWay = 512 // elements
	return b.product.ldx%halfWay == 0 && b.rows > 4 && panels > 2
}

// take makes ready the rows' inputs k0 to k1.
func (b *operand) take(k0, k1 int) {
	b.k0, b.k1 = k0, k1
	b.x, b.ldx = b.product.x[min(b.row*b.product.ldx+k0, len(b.product.x)):], b.product.ldx
	switch {
	case b.bf16:
		b.round()
	case b.room != nil:
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
		toHalf(row[:k], b.x[r*b.ldx:][:k], BF16)
		clear(row[k:])
		if !multipliesBF16() {
			fromHalf(b.room.x[r*(depth+gap):][:k], row[:k], BF16)
		}
	}
	b.x, b.ldx = b.room.x[:], depth+gap
	if multipliesBF16() {
		b.ldx = stride
	}
}

// turn makes ready a panel's part.
func (b *operand) turn(panel int) {
	if !b.bf16 {
		b.weights = b.panels[(panel*b.k+b.k0)*Panel:][:(b.k1-b.k0)*Panel]
		return
	}
	b.pairs = b.product.pairs[(panel*paddedBF16(b.k)+b.k0)*Panel:][:paddedBF16(b.k1-b.k0)*Panel]
	if !multipliesBF16() {
		b.weights = b.room.weights[:len(b.pairs)]
		splitPairs(b.weights, b.pairs)
	}
}

// tile multiplies rows of the block, from r0 on, by the panel's part into c.
func (b *operand) tile(c []float32, ldc, r0, rows int, load bool) {
	if b.bf16 && multipliesBF16() {
		tileBF16(c, ldc, b.rounded[r0*b.ldx:], b.ldx, b.pairs, rows, load)
		return
	}
	tile(c, ldc, b.x[min(r0*b.ldx, len(b.x)):], b.ldx, b.weights, rows, b.k1-b.k0, load)
}
