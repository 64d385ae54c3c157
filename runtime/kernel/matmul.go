package kernel

import "sync"

// Epilogue says what becomes of a product before it is stored.
type Epilogue struct {
	Bias       []float32  // (N), or nil
	Activation Activation // after the bias
	Residual   []float32  // (rows, N) with dst's stride, added last; may be dst itself; or nil
	Accumulate bool       // dst's old content is added before bias and activation
}

const (
	// A product is spread over the cores from this many multiplications on
	// (some 0.1 ms of one core's AVX-512). One row counts as at least
	// parallelRows: then reading the weights is what takes the time, and two
	// cores read faster than one.
	parallelWork = 1 << 23
	parallelRows = 8

	// depth is how many inputs are multiplied before the next panel's turn:
	// a panel's part (96 KiB) and a block's rows then stay in the second-level
	// cache.
	depth = 768
	// blockRows is how many rows of x go by while a panel's part is cached.
	blockRows = 96
)

// MatMul computes dst = act(x·Wᵀ + bias) + residual: x is (rows, K) with row
// stride ldx, dst (rows, N) with row stride ldd. x must not overlap dst.
func MatMul(dst []float32, ldd int, x []float32, ldx, rows int, w Weights, e Epilogue) {
	if rows <= 0 || w.N <= 0 {
		return
	}
	checkMatrix("MatMul: dst", len(dst), ldd, rows, w.N)
	checkMatrix("MatMul: x", len(x), ldx, rows, w.K)
	checkLen("MatMul: weights", len(w.Panels), PackedLen(w.N, w.K))
	if e.Bias != nil {
		checkLen("MatMul: bias", len(e.Bias), w.N)
	}
	if e.Residual != nil {
		checkMatrix("MatMul: residual", len(e.Residual), ldd, rows, w.N)
	}
	p := products.Get().(*product)
	*p = product{dst: dst, ldd: ldd, x: x, ldx: ldx, rows: rows, w: w, e: e}
	p.settleAliasing()
	p.run()
	*p = product{}
	products.Put(p)
}

var products = sync.Pool{New: func() any { return new(product) }}

// A product is one MatMul under way.
type product struct {
	dst      []float32
	ldd      int
	x        []float32
	ldx      int
	rows     int
	w        Weights
	e        Epilogue
	buffered bool // dst must not be written before a tile's epilogue has read the residual
	groups   int  // column groups: a unit is one block of rows times one group of panels
}

// settleAliasing deals with a residual that is dst itself: a running sum kept
// in dst would overwrite it. Without an activation it simply is the old
// content; else tiles are finished outside dst.
func (p *product) settleAliasing() {
	r := p.e.Residual
	if len(r) == 0 || &r[0] != &p.dst[0] {
		return
	}
	if p.e.Activation == Identity && !p.e.Accumulate {
		p.e.Accumulate, p.e.Residual = true, nil
		return
	}
	p.buffered = true
}

func (p *product) run() {
	blocks := (p.rows + blockRows - 1) / blockRows
	p.groups = 1
	if max(p.rows, parallelRows)*p.w.N*p.w.K < parallelWork {
		run(p, blocks, 1)
		return
	}
	// Units enough that cores which differ in speed finish together, but groups
	// of panels wide enough that a block's rows are well used.
	const unitsPerWorker, leastPanels = 6, 2
	wide := panels(p.w.N)
	p.groups = max(1, min((unitsPerWorker*workers+blocks-1)/blocks, wide/leastPanels))
	run(p, blocks*p.groups, workers)
}

// unit multiplies one block of rows by one group of panels.
func (p *product) unit(_, unit int) {
	block, group := unit/p.groups, unit%p.groups
	wide := panels(p.w.N)
	first, end := group*wide/p.groups, (group+1)*wide/p.groups
	row := block * blockRows
	rows := min(blockRows, p.rows-row)

	parts := max(1, (p.w.K+depth-1)/depth)
	if p.buffered {
		parts = 1
	}
	for part := 0; part < parts; part++ {
		k0, k1 := part*p.w.K/parts, (part+1)*p.w.K/parts
		for panel := first; panel < end; panel++ {
			p.panel(panel, row, rows, k0, k1)
		}
	}
}

// panel multiplies rows of x, inputs k0 to k1, by one panel.
func (p *product) panel(panel, row, rows, k0, k1 int) {
	weights := p.w.Panels[(panel*p.w.K+k0)*Panel:][:(k1-k0)*Panel]
	n0 := panel * Panel
	cols := min(Panel, p.w.N-n0)
	load, last := p.e.Accumulate || k0 > 0, k1 == p.w.K
	// Tiles of even height: 17 rows are 9 and 8, not 12 and 5.
	tiles := (rows + tileRows() - 1) / tileRows()
	for t := 0; t < tiles; t++ {
		r0, r1 := row+t*rows/tiles, row+(t+1)*rows/tiles
		var x []float32
		if k1 > k0 {
			x = p.x[r0*p.ldx+k0:]
		}
		c := p.dst[r0*p.ldd+n0:]
		if cols < Panel || p.buffered {
			p.tileApart(c, x, weights, r0, r1-r0, n0, cols, load, last)
			continue
		}
		tile(c, p.ldd, x, p.ldx, weights, r1-r0, k1-k0, load)
		if last {
			p.finish(c, p.ldd, r0, r1-r0, n0)
		}
	}
}

// finish applies the epilogue to a full-width tile that lies in dst.
func (p *product) finish(c []float32, ldc, row, rows, n0 int) {
	var bias, residual []float32
	if p.e.Bias != nil {
		bias = p.e.Bias[n0:]
	}
	if p.e.Residual != nil {
		residual = p.e.Residual[row*p.ldd+n0:]
	}
	finish(c, ldc, rows, bias, p.e.Activation, residual, p.ldd)
}

// tileApart computes a tile beside dst: one narrower than a panel, or one whose
// residual is dst.
func (p *product) tileApart(c, x, weights []float32, row, rows, n0, cols int, load, last bool) {
	var sums, residual [maxTileRows * Panel]float32
	var bias [Panel]float32
	if load {
		copyTile(sums[:], Panel, c, p.ldd, rows, cols)
	}
	tile(sums[:], Panel, x, p.ldx, weights, rows, len(weights)/Panel, load)
	if last {
		if p.e.Bias != nil {
			copy(bias[:], p.e.Bias[n0:n0+cols])
		}
		if p.e.Residual != nil {
			copyTile(residual[:], Panel, p.e.Residual[row*p.ldd+n0:], p.ldd, rows, cols)
		}
		finish(sums[:], Panel, rows, bias[:], p.e.Activation, residual[:], Panel)
	}
	copyTile(c, p.ldd, sums[:], Panel, rows, cols)
}

func copyTile(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for r := 0; r < rows; r++ {
		copy(dst[r*ldd:][:cols], src[r*lds:][:cols])
	}
}
