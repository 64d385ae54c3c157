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
	// a panel's part (96 KiB) and a block's rows then stay in the second-level
	// cache. In BF16, twice as many inputs take the same room.
	depth     = 768
	depthBF16 = 2 * depth
	// blockRows is how many rows of x go by while a panel's part is cached.
	blockRows = 96
)

// A product is one matrix product under way. Its units are a block of rows
// times a group of panels.
type product struct {
	dst    []float32
	ldd    int
	x      []float32
	ldx    int
	rows   int
	n, k   int
	bf16   bool
	panels []float32 // the weights, or
	pairs  []uint16  // with bf16
	e      Epilogue
	groups int // of panels
}

var products = sync.Pool{New: func() any { return new(product) }}

func multiply(q product) {
	if q.rows <= 0 || q.n <= 0 {
		return
	}
	q.check()
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
	if len(r) == 0 || &r[0] != &p.dst[0] {
		return
	}
	if p.e.Activation == Identity && !p.e.Accumulate {
		p.e.Accumulate, p.e.Residual = true, nil
		return
	}
	p.e.Residual = append([]float32(nil), r...)
}

func (p *product) run() {
	blocks := (p.rows + blockRows - 1) / blockRows
	p.groups = 1
	if max(p.rows, parallelRows)*p.n*p.k < parallelWork {
		run(p, blocks, 1)
		return
	}
	// Units enough that cores which differ in speed finish together, but groups
	// of panels wide enough that a block's rows are well used.
	const unitsPerWorker, leastPanels = 6, 2
	p.groups = max(1, min((unitsPerWorker*workers+blocks-1)/blocks, panels(p.n)/leastPanels))
	run(p, blocks*p.groups, workers)
}

// unit multiplies one block of rows by one group of panels, a part of the
// inputs at a time.
func (p *product) unit(_, unit int) {
	block, group := unit/p.groups, unit%p.groups
	wide := panels(p.n)
	first, end := group*wide/p.groups, (group+1)*wide/p.groups
	b := operand{product: p, row: block * blockRows}
	b.rows = min(blockRows, p.rows-b.row)
	b.open(end - first)
	// Parts begin at multiples of 32 inputs, as BF16 panels are padded.
	const step = 32
	steps := (p.k + step - 1) / step
	parts := max(1, (p.k+b.depth-1)/b.depth)
	for part := range parts {
		b.take(part*steps/parts*step, min((part+1)*steps/parts*step, p.k))
		for panel := first; panel < end; panel++ {
			p.panel(&b, panel)
		}
	}
	b.close()
}

// panel multiplies a block of rows by a part of one panel.
func (p *product) panel(b *operand, panel int) {
	b.turn(panel)
	n0 := panel * Panel
	whole := p.n-n0 >= Panel
	load, last := p.e.Accumulate || b.k0 > 0, b.k1 == p.k
	// Tiles of even height: 17 rows are 9 and 8, not 12 and 5.
	tiles := (b.rows + b.tall - 1) / b.tall
	for t := range tiles {
		r0, r1 := t*b.rows/tiles, (t+1)*b.rows/tiles
		if !whole {
			p.tileApart(b, r0, r1-r0, n0, load, last)
			continue
		}
		c := p.dst[(b.row+r0)*p.ldd+n0:]
		b.tile(c, p.ldd, r0, r1-r0, load)
		if last {
			p.finish(c, b.row+r0, r1-r0, n0)
		}
	}
}

// finish applies the epilogue to a tile that lies in dst.
func (p *product) finish(c []float32, row, rows, n0 int) {
	var bias, residual []float32
	if p.e.Bias != nil {
		bias = p.e.Bias[n0:]
	}
	if p.e.Residual != nil {
		residual = p.e.Residual[row*p.ldd+n0:]
	}
	finish(c, p.ldd, rows, bias, p.e.Activation, residual, p.ldd)
}

// tileApart computes a tile narrower than a panel, which has no room in dst for
// the whole panel's width.
func (p *product) tileApart(b *operand, r0, rows, n0 int, load, last bool) {
	var sums, residual [maxTileRows * Panel]float32
	var bias [Panel]float32
	at, cols := (b.row+r0)*p.ldd+n0, p.n-n0
	c := p.dst[at:]
	if load {
		copyTile(sums[:], Panel, c, p.ldd, rows, cols)
	}
	b.tile(sums[:], Panel, r0, rows, load)
	if last {
		if p.e.Bias != nil {
			copy(bias[:], p.e.Bias[n0:p.n])
		}
		if p.e.Residual != nil {
			copyTile(residual[:], Panel, p.e.Residual[at:], p.ldd, rows, cols)
		}
		finish(sums[:], Panel, rows, bias[:], p.e.Activation, residual[:], Panel)
	}
	copyTile(c, p.ldd, sums[:], Panel, rows, cols)
}

func copyTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for r := range rows {
		copy(dst[r*ldd:][:cols], src[r*lds:][:cols])
	}
}
