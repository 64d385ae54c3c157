package kernel

import "sync"

// A Group is a run of consecutive rows of one variant.
type Group struct {
	Rows int   // zero is allowed
	Core *Core // of the layer at hand; one without nonzeros means the mean alone
}

// Factored computes what MatMul would with each group's rebuilt weights, without
// rebuilding them: dst = act(x·Meanᵀ + u·Leftᵀ + bias) + residual, where
// u = core·(Right·[x;1]) for the core of the row's variant. The groups follow each
// other in x, (rows, N) with row stride ldx, and in dst, (rows, M) with row stride ldd.
// The bias is the layer's, and e.Bias must be nil. x must not overlap dst. scratch has
// FactoredScratch elements.
//
// The mean is read once for all rows, and of Left and Right only the directions that a
// group's core uses, for that group's rows.
func Factored(dst []float32, ldd int, x []float32, ldx int, groups []Group, l *Layer, e Epilogue, scratch []float32) {
	multiplyFactored(product{dst: Float32s(dst, ldd), n: l.M, term: term{x: Float32s(x, ldx), k: l.N}, e: e}, groups, l, scratch)
}

// FactoredBF16 is Factored with the factors of its products in BF16, and dst and x as
// in MatMulBF16. u and a mean in F16 are rounded on the fly. The sparse product
// core·(Right·[x;1]) is in float32.
func FactoredBF16(dst, x Matrix, groups []Group, l *Layer, e Epilogue, scratch []float32) {
	multiplyFactored(product{dst: dst, n: l.M, bf16: true, term: term{x: x, k: l.N}, e: e}, groups, l, scratch)
}

// FactoredScratch returns the number of float32s that Factored and FactoredBF16 need
// as scratch for a total number of rows.
func FactoredScratch(l *Layer, rows int) int { return rows*l.P + workers*factoredWorkerScratch(l) }

// factoredWorkerScratch returns one worker's share of the scratch: z, its bias, and a
// strip of z and u.
func factoredWorkerScratch(l *Layer) int {
	q := panels(l.Q) * Panel
	return blockRows*q + q + q*Panel + l.P*Panel
}

// factored holds the groups' own terms, u·Leftᵀ, of one call of Factored. Its units are
// blocks, whose u they compute.
type factored struct {
	layer    *Layer
	bf16     bool
	x        Matrix
	groups   []rowGroup
	blocks   []rowBlock
	lefts    usedLefts
	maxLefts int // most left directions of a group, padded to a multiple of 32
	scratch  []float32
}

// A rowGroup is a Group with its u.
type rowGroup struct {
	row, rows int
	core      *Core
	lefts     []int32   // the left directions that the core uses, ascending
	u         []float32 // (rows, lefts)
}

// A rowBlock is some rows of a group; row counts from the group's first.
type rowBlock struct{ group, row, rows int }

var factoreds = sync.Pool{New: func() any { return new(factored) }}

func multiplyFactored(p product, groups []Group, l *Layer, scratch []float32) {
	l.check()
	if p.e.Bias != nil {
		panic("kernel: Factored: Epilogue.Bias must be nil")
	}
	if l.Bias {
		p.e.Bias = l.MeanBias
	}
	p.weights16 = weights16{data: l.Mean, format: l.MeanType, stride: l.N}
	f := factoreds.Get().(*factored)
	f.layer, f.bf16, f.x = l, p.bf16, p.x
	work := 0
	for _, g := range groups {
		p.rows += g.Rows
		work += g.Rows * len(g.Core.Rights) * l.N
	}
	checkLen("Factored: scratch", len(scratch), FactoredScratch(l, p.rows))
	p.x.checkInputs("Factored: x", p.rows, l.N)
	limit := 1
	if work >= parallelWork {
		limit = workers
	}
	for _, g := range groups {
		scratch = f.addGroup(g, (limit+len(groups)-1)/len(groups), scratch)
	}
	f.scratch = scratch
	run(f, len(f.blocks), limit)
	if f.maxLefts > 0 {
		p.deltas = f
	}
	multiply(p)
	clear(f.groups)
	f.lefts.reset()
	*f = factored{groups: f.groups[:0], blocks: f.blocks[:0], lefts: f.lefts}
	factoreds.Put(f)
}

// addGroup appends a group and its blocks, at least minBlocks if it has enough rows. It
// takes the memory of its u from scratch and returns the rest.
func (f *factored) addGroup(in Group, minBlocks int, scratch []float32) []float32 {
	if in.Rows < 0 {
		panic("kernel: Factored: a group has a negative number of rows")
	}
	in.Core.check(f.layer)
	g := rowGroup{rows: in.Rows, core: in.Core}
	if n := len(f.groups); n > 0 {
		g.row = f.groups[n-1].row + f.groups[n-1].rows
	}
	g.lefts = f.lefts.add(in.Core, f.layer.P)
	f.maxLefts = max(f.maxLefts, paddedBF16(len(g.lefts)))
	g.u, scratch = cut(scratch, g.rows*len(g.lefts))
	if len(g.lefts) > 0 {
		blocks := max((g.rows+blockRows-1)/blockRows, min(minBlocks, (g.rows+Panel-1)/Panel))
		for b := range blocks {
			r0, r1 := b*g.rows/blocks, (b+1)*g.rows/blocks
			f.blocks = append(f.blocks, rowBlock{len(f.groups), r0, r1 - r0})
		}
	}
	f.groups = append(f.groups, g)
	return scratch
}

// unit computes the u of one block: z = Right·[x;1] as a dense product, then core·z in
// strips of 32 rows.
func (f *factored) unit(worker, unit int) {
	l, b := f.layer, f.blocks[unit]
	g := &f.groups[b.group]
	rights := g.core.Rights
	width := panels(len(rights)) * Panel
	size := factoredWorkerScratch(l)
	z, scratch := cut(f.scratch[worker*size:][:size], b.rows*width)
	bias, scratch := cut(scratch, width)
	p := product{
		dst: Float32s(z, width), rows: b.rows, n: width, bf16: f.bf16,
		term: term{
			x: f.x.From(g.row + b.row), k: l.N,
			weights16: weights16{data: l.Right, format: BF16, stride: l.Q, columns: rights},
		},
	}
	clear(bias)
	if l.Bias {
		for i, r := range rights {
			bias[i] = fromBF16(l.Right[l.N*l.Q+int(r)])
		}
		p.e.Bias = bias
	}
	p.multiply(area{rows: b.rows, end: width / Panel})
	for s := 0; s < b.rows; s += Panel {
		rows := min(Panel, b.rows-s)
		g.multiplyCore(g.u[(b.row+s)*len(g.lefts):], z[s*width:], width, rows, scratch)
	}
}

// multiplyCore computes u = core·z for up to 32 rows. It works on the transposes of
// both, so that one vector operation multiplies a nonzero by 32 rows.
func (g *rowGroup) multiplyCore(u, z []float32, ldz, rows int, scratch []float32) {
	zT, uT := cut(scratch, len(g.core.Rights)*Panel)
	packPanel(zT, z, ldz, rows, len(g.core.Rights))
	for _, left := range g.lefts {
		clear(uT[left*Panel:][:Panel])
	}
	for i := range g.core.Rights {
		lefts, values := g.core.column(i)
		scatterAdd(uT, lefts, values, (*[Panel]float32)(zT[i*Panel:]))
	}
	r := 0
	for ; r+4 <= rows; r += 4 {
		n := len(g.lefts)
		u0, u1, u2, u3 := u[r*n:][:n], u[(r+1)*n:][:n], u[(r+2)*n:][:n], u[(r+3)*n:][:n]
		for i, left := range g.lefts {
			s := (*[4]float32)(uT[int(left)*Panel+r:])
			u0[i], u1[i], u2[i], u3[i] = s[0], s[1], s[2], s[3]
		}
	}
	for ; r < rows; r++ {
		row := u[r*len(g.lefts):][:len(g.lefts)]
		for i, left := range g.lefts {
			row[i] = uT[int(left)*Panel+r]
		}
	}
}

// term returns a group's own term, u·Leftᵀ, for its rows from row on.
func (f *factored) term(g *rowGroup, row int) term {
	return term{
		x: Float32s(g.u[row*len(g.lefts):], len(g.lefts)), k: len(g.lefts),
		weights16: weights16{data: f.layer.Left, format: BF16, stride: f.layer.P, inputs: g.lefts},
	}
}

// within returns the part of an area that belongs to the group, which may have no rows.
func (g *rowGroup) within(a area) area {
	from, to := max(a.row, g.row), min(a.row+a.rows, g.row+g.rows)
	return area{from, to - from, a.first, a.end}
}

// loadRows copies each group's u next to the inputs that are loaded already.
func (f *factored) loadRows(o *operand, a area) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			t := f.term(g, in.row-g.row)
			o.copyInputs(t.x, in.row-a.row, in.rows, t.k, o.width)
		}
	}
}

// tiles loads each group's part of the panel behind the shared one, and multiplies and
// finishes the group's rows.
func (f *factored) tiles(p *product, o *operand, a area, panel int, load bool) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			t := f.term(g, 0)
			o.loadPanel16(&t.weights16, panel, 0, t.k, o.width)
			p.tiles(o, in, in.row-a.row, panel, load, true)
		}
	}
}

// addTerms adds the groups' own terms to an area of dst and applies the epilogue. It
// is for more directions than fit in one part with the shared inputs.
func (f *factored) addTerms(p *product, o *operand, a area) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			p.addTerm(o, f.term(g, in.row-g.row), in, 0, true, true)
		}
	}
}
