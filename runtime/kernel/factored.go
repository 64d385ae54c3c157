package kernel

import "sync"

// Rows is a run of consecutive rows that one variant answers.
type Rows struct {
	Rows int   // zero is allowed
	Core *Core // of the layer in hand; without nonzeros it is the mean alone
}

// Factored computes what MatMul gives for each group's rebuilt weights, and
// rebuilds none: dst = act(x·Meanᵀ + u·Leftᵀ + bias) + residual, where a row's
// u = core·(Right·[x;1]) is its own variant's. The groups follow each other in
// x, (rows, N) with row stride ldx, and dst, (rows, M) with row stride ldd. The
// bias is the layer's; e.Bias must be nil.
//
// Only the directions that a group's core uses are read, for that group; the
// mean is read once for all. x must not overlap dst. scratch has
// FactoredScratch elements.
func Factored(dst []float32, ldd int, x []float32, ldx int, groups []Rows, l *Layer, e Epilogue, scratch []float32) {
	factor(product{dst: Float32s(dst, ldd), n: l.M, term: term{x: Float32s(x, ldx), k: l.N}, e: e}, groups, l, scratch)
}

// FactoredBF16 is Factored with the factors of its products in BF16, as
// MatMulBF16's, and dst and x in BF16 as there: u is rounded on the fly, and so is
// a mean in F16. The middle, core·(Right·[x;1]), is float32.
func FactoredBF16(dst, x Matrix, groups []Rows, l *Layer, e Epilogue, scratch []float32) {
	factor(product{dst: dst, n: l.M, bf16: true, term: term{x: x, k: l.N}, e: e}, groups, l, scratch)
}

// FactoredScratch is the number of float32s that Factored and FactoredBF16 need
// as scratch for so many rows in all.
func FactoredScratch(l *Layer, rows int) int { return rows*l.P + workers*factoredRoom(l) }

// factoredRoom is one worker's share: z, its bias, and a strip of z and u.
func factoredRoom(l *Layer) int {
	q := panels(l.Q) * Panel
	return blockRows*q + q + q*Panel + l.P*Panel
}

// factored is a call's own terms under way. Its units are the blocks, whose u
// they compute.
type factored struct {
	layer  *Layer
	bf16   bool
	x      Matrix
	groups []rowGroup
	blocks []rowBlock
	lefts  directions
	most   int // left directions of any group, filled up to whole steps of 32
	rooms  []float32
}

// A rowGroup is a run of rows with a core of their own.
type rowGroup struct {
	row, rows int
	core      *Core
	lefts     []int32   // directions that the core uses, ascending
	u         []float32 // (rows, len(lefts)): the rows' parts in them
}

// A rowBlock is some rows of a group, counted from the group's first.
type rowBlock struct{ group, row, rows int }

var factoreds = sync.Pool{New: func() any { return new(factored) }}

func factor(p product, groups []Rows, l *Layer, scratch []float32) {
	checkLayer(l)
	if p.e.Bias != nil {
		panic("kernel: Factored: the bias is the layer's")
	}
	if l.Bias {
		p.e.Bias = l.MeanBias
	}
	p.stock = stock{data: l.Mean, half: l.MeanType, stride: l.N}
	f := factoreds.Get().(*factored)
	f.layer, f.bf16, f.x = l, p.bf16, p.x
	work := 0
	for _, g := range groups {
		p.rows += g.Rows
		work += g.Rows * len(g.Core.Rights) * l.N
	}
	checkLen("Factored: scratch", len(scratch), FactoredScratch(l, p.rows))
	p.x.checkInputs("Factored: x", p.rows, l.N)
	most := 1
	if work >= parallelWork {
		most = workers
	}
	for _, g := range groups {
		scratch = f.group(g, (most+len(groups)-1)/len(groups), scratch)
	}
	f.rooms = scratch
	run(f, len(f.blocks), most)
	if f.most > 0 {
		p.deltas = f
	}
	multiply(p)
	clear(f.groups)
	f.lefts.reset()
	*f = factored{groups: f.groups[:0], blocks: f.blocks[:0], lefts: f.lefts}
	factoreds.Put(f)
}

// group appends a group and its blocks, at least so many of them if it has the
// rows, and takes the room of its u off the scratch.
func (f *factored) group(r Rows, least int, scratch []float32) []float32 {
	if r.Rows < 0 {
		panic("kernel: Factored: a group of fewer than no rows")
	}
	checkCore(f.layer, r.Core)
	g := rowGroup{rows: r.Rows, core: r.Core}
	if n := len(f.groups); n > 0 {
		g.row = f.groups[n-1].row + f.groups[n-1].rows
	}
	g.lefts = f.lefts.used(r.Core, f.layer.P)
	f.most = max(f.most, paddedBF16(len(g.lefts)))
	g.u, scratch = cut(scratch, g.rows*len(g.lefts))
	if len(g.lefts) > 0 {
		blocks := max((g.rows+blockRows-1)/blockRows, min(least, (g.rows+Panel-1)/Panel))
		for b := range blocks {
			r0, r1 := b*g.rows/blocks, (b+1)*g.rows/blocks
			f.blocks = append(f.blocks, rowBlock{len(f.groups), r0, r1 - r0})
		}
	}
	f.groups = append(f.groups, g)
	return scratch
}

// unit computes the u of one block: z = Right·[x;1] as a product, then its
// sparse middle in strips of 32 rows.
func (f *factored) unit(worker, unit int) {
	l, b := f.layer, f.blocks[unit]
	g := &f.groups[b.group]
	rights := g.core.Rights
	wide := panels(len(rights)) * Panel
	size := factoredRoom(l)
	z, room := cut(f.rooms[worker*size:][:size], b.rows*wide)
	bias, room := cut(room, wide)
	p := product{
		dst: Float32s(z, wide), rows: b.rows, n: wide, bf16: f.bf16,
		term: term{
			x: f.x.From(g.row + b.row), k: l.N,
			stock: stock{data: l.Right, half: BF16, stride: l.Q, columns: rights},
		},
	}
	clear(bias)
	if l.Bias {
		for i, r := range rights {
			bias[i] = fromBF16(l.Right[l.N*l.Q+int(r)])
		}
		p.e.Bias = bias
	}
	p.multiply(area{rows: b.rows, end: wide / Panel})
	for s := 0; s < b.rows; s += Panel {
		rows := min(Panel, b.rows-s)
		g.strip(g.u[(b.row+s)*len(g.lefts):], z[s*wide:], wide, rows, room)
	}
}

// strip computes u = core·z for up to 32 rows. Both are turned for it, so that a
// nonzero is one multiplication of 32 rows.
func (g *rowGroup) strip(u, z []float32, wide, rows int, room []float32) {
	turned, sums := cut(room, len(g.core.Rights)*Panel)
	packPanel(turned, z, wide, rows, len(g.core.Rights))
	for _, left := range g.lefts {
		clear(sums[left*Panel:][:Panel])
	}
	for i := range g.core.Rights {
		lefts, values := g.core.nonzeros(i)
		scatter(sums, lefts, values, (*[Panel]float32)(turned[i*Panel:]))
	}
	r := 0
	for ; r+4 <= rows; r += 4 {
		n := len(g.lefts)
		u0, u1, u2, u3 := u[r*n:][:n], u[(r+1)*n:][:n], u[(r+2)*n:][:n], u[(r+3)*n:][:n]
		for i, left := range g.lefts {
			s := (*[4]float32)(sums[int(left)*Panel+r:])
			u0[i], u1[i], u2[i], u3[i] = s[0], s[1], s[2], s[3]
		}
	}
	for ; r < rows; r++ {
		row := u[r*len(g.lefts):][:len(g.lefts)]
		for i, left := range g.lefts {
			row[i] = sums[int(left)*Panel+r]
		}
	}
}

// left is the group's own term for rows from one of its own on.
func (f *factored) left(g *rowGroup, row int) term {
	return term{
		x: Float32s(g.u[row*len(g.lefts):], len(g.lefts)), k: len(g.lefts),
		stock: stock{data: f.layer.Left, half: BF16, stride: f.layer.P, inputs: g.lefts},
	}
}

// within is the group's part of an area, which may have no rows.
func (g *rowGroup) within(a area) area {
	from, to := max(a.row, g.row), min(a.row+a.rows, g.row+g.rows)
	return area{from, to - from, a.first, a.end}
}

// take places each group's own inputs beside those that are taken.
func (f *factored) take(b *operand, a area) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			t := f.left(g, in.row-g.row)
			b.place(t.x, in.row-a.row, in.rows, t.k, b.width)
		}
	}
}

// tiles turns each group's own part of the panel behind the one that is turned,
// and multiplies and finishes the group's rows.
func (f *factored) tiles(p *product, b *operand, a area, panel int, load bool) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			t := f.left(g, 0)
			b.turnStock(&t.stock, panel, 0, t.k, b.width)
			p.tiles(b, in, in.row-a.row, panel, load, true)
		}
	}
}

// add adds the groups' own terms to an area of dst, and finishes it: for more
// directions than fit beside other inputs.
func (f *factored) add(p *product, b *operand, a area) {
	for i := range f.groups {
		g := &f.groups[i]
		if in := g.within(a); in.rows > 0 {
			p.add(b, f.left(g, in.row-g.row), in, 0, true, true)
		}
	}
}
