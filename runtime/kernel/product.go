package kernel

import "sync"

const (
	// A product is spread over the cores from this many multiplications on
	// (some 0.1 ms of one core's AVX-512). One row counts as at least
	// parallelRows: then reading the weights is what takes the time, and two
	// cores read faster than one.
	parallelWork = 1 << 23
	parallelRows = 8

	// depth is how many inputs are multiplied before the next panel's turn:
	// a panel's part (128 KiB) and a block's rows then stay in the second-level
	// cache. In BF16, twice as many inputs take the same room.
	depth     = 1024
	depthBF16 = 2 * depth
	// blockRows is how many rows of x go by while a panel's part is cached, at
	// most: 197 rows, a picture's tokens, are two blocks.
	blockRows = 104
)

// A product is one matrix product under way. Its units are a block of rows
// times a group of panels.
type product struct {
	dst    Matrix
	rows   int
	n      int
	bf16   bool
	term             // which all rows share
	deltas *factored // gives each group of rows a term of its own; or nil
	e      Epilogue
	blocks int // of rows
	groups int // of panels
}

// A term is a summand of a product: rows of inputs, and the weights that they
// meet.
type term struct {
	x      Matrix // (rows, k)
	k      int
	panels []float32 // (panels, k, 32), or
	pairs  []uint16  // the same in BF16, in WeightsBF16's order, or
	stock  stock
}

// An area is a part of dst: some rows, and the panels first to end.
type area struct{ row, rows, first, end int }

var products = sync.Pool{New: func() any { return new(product) }}

func multiply(q product) {
	if q.rows <= 0 || q.n <= 0 {
		return
	}
	q.check()
	if q.dst.BF16 != nil && !q.fitsOnePart() {
		q.throughFloat32()
		return
	}
	q.settleAliasing()
	p := products.Get().(*product)
	*p = q
	p.run()
	*p = product{}
	products.Put(p)
}

// settleAliasing deals with a residual that is dst itself, where the sums would
// overwrite it. Without an activation it simply is the old content; else it is
// copied.
func (p *product) settleAliasing() {
	r := p.e.Residual
	if len(r) == 0 || len(p.dst.F32) == 0 || &r[0] != &p.dst.F32[0] {
		return
	}
	if p.e.Activation == Identity && !p.e.Accumulate {
		p.e.Accumulate, p.e.Residual = true, nil
		return
	}
	p.e.Residual = append([]float32(nil), r...)
}

func (p *product) run() {
	p.blocks, p.groups = (p.rows+blockRows-1)/blockRows, 1
	if max(p.rows, parallelRows)*p.n*p.k < parallelWork {
		run(p, p.blocks, 1)
		return
	}
	// Units enough that cores which differ in speed finish together, but groups
	// of panels wide enough that a block's rows are well used.
	const unitsPerWorker, leastPanels = 6, 2
	p.groups = max(1, min((unitsPerWorker*workers+p.blocks-1)/p.blocks, panels(p.n)/leastPanels))
	run(p, p.blocks*p.groups, workers)
}

// unit multiplies one block of rows by one group of panels.
func (p *product) unit(_, unit int) {
	block, group := unit/p.groups, unit%p.groups
	wide := panels(p.n)
	row, end := block*p.rows/p.blocks, (block+1)*p.rows/p.blocks
	p.multiply(area{row, end - row, group * wide / p.groups, (group + 1) * wide / p.groups})
}

// multiply computes one area of dst.
func (p *product) multiply(a area) {
	b := newOperand(p.bf16)
	t := p.term
	t.x = t.x.From(a.row)
	own := p.own()
	if own <= b.depth {
		p.add(&b, t, a, own, p.e.Accumulate, true)
	} else {
		p.add(&b, t, a, 0, p.e.Accumulate, false)
		p.deltas.add(p, &b, a)
	}
	b.close()
}

// own is how many inputs of its own a group's term adds to the shared ones, at
// most.
func (p *product) own() int {
	if p.deltas == nil {
		return 0
	}
	return p.deltas.most
}

// add adds a term, whose x begins at the area's first row, a part of the inputs
// at a time: to dst's old content if load says so, and with the epilogue if it
// is the last. The last part takes with it the groups' own inputs, that many at
// most, so that the sums stay in registers.
func (p *product) add(b *operand, t term, a area, own int, load, last bool) {
	b.open(t, a, own, p.dst.BF16 != nil)
	// Parts begin at multiples of 32 inputs, as BF16 panels are padded.
	const step = 32
	total := paddedBF16(t.k) + own
	parts := max(1, (total+b.depth-1)/b.depth)
	cut := func(part int) int { return min(part*(total/step)/parts*step, t.k) }
	for part := range parts {
		end := part == parts-1
		if !end || own == 0 {
			b.take(cut(part), cut(part+1), 0)
		} else {
			b.take(cut(part), t.k, own)
			p.deltas.take(b, a)
		}
		for panel := a.first; panel < a.end; panel++ {
			b.turn(panel)
			if end && own > 0 {
				p.deltas.tiles(p, b, a, panel, load || part > 0)
			} else {
				p.tiles(b, a, 0, panel, load || part > 0, last && end)
			}
		}
	}
}

// tiles multiplies rows taken, from one on, by what is turned of a panel.
func (p *product) tiles(b *operand, a area, from, panel int, load, last bool) {
	n0 := panel * Panel
	whole := p.n-n0 >= Panel
	// Tiles of even height: 17 rows are 9 and 8, not 12 and 5.
	tiles := (a.rows + b.tall - 1) / b.tall
	for t := range tiles {
		r0, r1 := t*a.rows/tiles, (t+1)*a.rows/tiles
		b.prefetch(panel+1, from+r0, from+r1)
		if !whole {
			p.tileApart(b, from+r0, area{row: a.row + r0, rows: r1 - r0}, n0, load, last)
			continue
		}
		if p.dst.BF16 != nil {
			p.tileNarrow(b, from+r0, area{row: a.row + r0, rows: r1 - r0}, n0)
			continue
		}
		c := p.dst.F32[(a.row+r0)*p.dst.Stride+n0:]
		b.tile(c, p.dst.Stride, from+r0, r1-r0, load)
		if last {
			p.finish(c, p.dst.Stride, a.row+r0, r1-r0, n0)
		}
	}
}

// finish applies the epilogue to the sums of a whole panel's tile.
func (p *product) finish(c []float32, ldc, row, rows, n0 int) {
	var bias, residual []float32
	if p.e.Bias != nil {
		bias = p.e.Bias[n0:]
	}
	if p.e.Residual != nil {
		residual = p.e.Residual[row*p.dst.Stride+n0:]
	}
	finish(c, ldc, rows, bias, p.e.Activation, residual, p.dst.Stride)
}

// tileApart computes a tile narrower than a panel, which has no room in dst for
// the whole panel's width.
func (p *product) tileApart(b *operand, from int, a area, n0 int, load, last bool) {
	var sums, residual [maxTileRows * Panel]float32
	var bias [Panel]float32
	at, rows, cols := a.row*p.dst.Stride+n0, a.rows, p.n-n0
	if load {
		copyTile(sums[:], Panel, p.dst.F32[at:], p.dst.Stride, rows, cols)
	}
	b.tile(sums[:], Panel, from, rows, load)
	if last {
		if p.e.Bias != nil {
			copy(bias[:], p.e.Bias[n0:p.n])
		}
		if p.e.Residual != nil {
			copyTile(residual[:], Panel, p.e.Residual[at:], p.dst.Stride, rows, cols)
		}
		finish(sums[:], Panel, rows, bias[:], p.e.Activation, residual[:], Panel)
	}
	if p.dst.BF16 != nil {
		narrowTile(p.dst.BF16[at:], p.dst.Stride, sums[:], rows, cols)
		return
	}
	copyTile(p.dst.F32[at:], p.dst.Stride, sums[:], Panel, rows, cols)
}

func copyTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for r := range rows {
		copy(dst[r*ldd:][:cols], src[r*lds:][:cols])
	}
}
