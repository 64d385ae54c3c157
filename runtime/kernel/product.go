package kernel

import "sync"

const (
	// A product is spread over the cores from this many multiplications on (about
	// 0.1 ms of one core with AVX-512). A product of few rows counts as parallelRows:
	// it spends its time reading the weights, and two cores read faster than one.
	parallelWork = 1 << 23
	parallelRows = 8

	// depth is the number of inputs that are multiplied before moving to the next
	// panel, so that this part of a panel (128 KiB) and a block's rows stay in the
	// second-level cache. In BF16, twice as many inputs take the same room.
	depth     = 1024
	depthBF16 = 2 * depth
	// blockRows is the maximum number of rows of x that are multiplied by a cached
	// part of a panel. 197 rows, the tokens of an image, make two blocks.
	blockRows = 104
)

// A product is one matrix product in progress. Its units are a block of rows times a
// group of panels.
type product struct {
	dst    Matrix
	rows   int
	n      int
	bf16   bool
	term             // shared by all rows
	deltas *factored // adds a term for each group of rows; or nil
	e      Epilogue
	blocks int // of rows
	groups int // of panels
}

// A term is a summand of a product: inputs and the weights they are multiplied by,
// which are in one of three forms.
type term struct {
	x         Matrix // (rows, k)
	k         int
	panels    []float32 // (panels, k, 32)
	pairs     []uint16  // BF16, as in WeightsBF16
	weights16 weights16
}

// An area is a part of dst: some rows, and the panels from first up to end.
type area struct{ row, rows, first, end int }

var products = sync.Pool{New: func() any { return new(product) }}

// multiply checks and computes a product.
func multiply(q product) {
	if q.rows <= 0 || q.n <= 0 {
		return
	}
	q.check()
	if q.dst.BF16 != nil && !q.fitsOnePart() {
		q.multiplyViaFloat32()
		return
	}
	q.resolveAliasing()
	p := products.Get().(*product)
	*p = q
	p.run()
	*p = product{}
	products.Put(p)
}

// resolveAliasing handles a residual that is dst itself, which the sums would
// overwrite. Without an activation it becomes the old content to accumulate; with one
// it is copied.
func (p *product) resolveAliasing() {
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
	// Enough units that cores of different speed finish together, but groups of
	// panels wide enough to use a block's rows well.
	const unitsPerWorker, minPanels = 6, 2
	p.groups = max(1, min((unitsPerWorker*workers+p.blocks-1)/p.blocks, panels(p.n)/minPanels))
	run(p, p.blocks*p.groups, workers)
}

// unit multiplies one block of rows by one group of panels.
func (p *product) unit(_, unit int) {
	block, group := unit/p.groups, unit%p.groups
	count := panels(p.n)
	row, end := block*p.rows/p.blocks, (block+1)*p.rows/p.blocks
	p.multiply(area{row, end - row, group * count / p.groups, (group + 1) * count / p.groups})
}

// multiply computes one area of dst.
func (p *product) multiply(a area) {
	o := newOperand(p.bf16)
	t := p.term
	t.x = t.x.From(a.row)
	extra := p.extraInputs()
	if extra <= o.depth {
		p.addTerm(&o, t, a, extra, p.e.Accumulate, true)
	} else {
		p.addTerm(&o, t, a, 0, p.e.Accumulate, false)
		p.deltas.addTerms(p, &o, a)
	}
	o.close()
}

// extraInputs returns the largest number of inputs that a group's own term adds to
// the shared ones.
func (p *product) extraInputs() int {
	if p.deltas == nil {
		return 0
	}
	return p.deltas.maxLefts
}

// addTerm adds a term, whose x starts at the area's first row, in parts of at most
// depth inputs. With load it adds to dst's old content; with last it applies the
// epilogue. The last part also multiplies the groups' own inputs, at most extra, so
// that the sums stay in registers.
func (p *product) addTerm(o *operand, t term, a area, extra int, load, last bool) {
	o.open(t, a, extra, p.dst.BF16 != nil)
	// Parts start at multiples of 32 inputs, as BF16 panels are padded.
	const step = 32
	total := paddedBF16(t.k) + extra
	parts := max(1, (total+o.depth-1)/o.depth)
	start := func(part int) int { return min(part*(total/step)/parts*step, t.k) }
	for part := range parts {
		end := part == parts-1
		if !end || extra == 0 {
			o.loadRows(start(part), start(part+1), 0)
		} else {
			o.loadRows(start(part), t.k, extra)
			p.deltas.loadRows(o, a)
		}
		for panel := a.first; panel < a.end; panel++ {
			o.loadPanel(panel)
			if end && extra > 0 {
				p.deltas.tiles(p, o, a, panel, load || part > 0)
			} else {
				p.tiles(o, a, 0, panel, load || part > 0, last && end)
			}
		}
	}
}

// tiles multiplies the loaded rows, the area's first at index from, by the loaded
// panel.
func (p *product) tiles(o *operand, a area, from, panel int, load, last bool) {
	n0 := panel * Panel
	whole := p.n-n0 >= Panel
	// Tiles of even height: 17 rows are 9 and 8, not 12 and 5.
	tiles := (a.rows + o.tileRows - 1) / o.tileRows
	for t := range tiles {
		r0, r1 := t*a.rows/tiles, (t+1)*a.rows/tiles
		o.prefetch(panel+1, from+r0, from+r1)
		if !whole {
			p.edgeTile(o, from+r0, area{row: a.row + r0, rows: r1 - r0}, n0, load, last)
			continue
		}
		if p.dst.BF16 != nil {
			p.tileToBF16(o, from+r0, area{row: a.row + r0, rows: r1 - r0}, n0)
			continue
		}
		c := p.dst.F32[(a.row+r0)*p.dst.Stride+n0:]
		o.tile(c, p.dst.Stride, from+r0, r1-r0, load)
		if last {
			p.epilogue(c, p.dst.Stride, a.row+r0, r1-r0, n0)
		}
	}
}

// epilogue applies the epilogue to the tile c, whose first sum is dst's at (row, n0)
// and which is a whole panel wide.
func (p *product) epilogue(c []float32, ldc, row, rows, n0 int) {
	var bias, residual []float32
	if p.e.Bias != nil {
		bias = p.e.Bias[n0:]
	}
	if p.e.Residual != nil {
		residual = p.e.Residual[row*p.dst.Stride+n0:]
	}
	epilogue(c, ldc, rows, bias, p.e.Activation, residual, p.dst.Stride)
}

// edgeTile computes a tile of the last panel where it is narrower than 32 outputs:
// in a buffer, since dst has no room for a whole panel.
func (p *product) edgeTile(o *operand, from int, a area, n0 int, load, last bool) {
	var sums, residual [maxTileRows * Panel]float32
	var bias [Panel]float32
	at, rows, cols := a.row*p.dst.Stride+n0, a.rows, p.n-n0
	if load {
		copyTile(sums[:], Panel, p.dst.F32[at:], p.dst.Stride, rows, cols)
	}
	o.tile(sums[:], Panel, from, rows, load)
	if last {
		if p.e.Bias != nil {
			copy(bias[:], p.e.Bias[n0:p.n])
		}
		if p.e.Residual != nil {
			copyTile(residual[:], Panel, p.e.Residual[at:], p.dst.Stride, rows, cols)
		}
		epilogue(sums[:], Panel, rows, bias[:], p.e.Activation, residual[:], Panel)
	}
	if p.dst.BF16 != nil {
		storeTileBF16(p.dst.BF16[at:], p.dst.Stride, sums[:], rows, cols)
		return
	}
	copyTile(p.dst.F32[at:], p.dst.Stride, sums[:], Panel, rows, cols)
}

// copyTile copies (rows, cols) between row strides.
func copyTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for r := range rows {
		copy(dst[r*ldd:][:cols], src[r*lds:][:cols])
	}
}
