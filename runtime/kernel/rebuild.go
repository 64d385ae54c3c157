package kernel

import "sync"

const (
	// meanRows is how many inputs of a panel take the mean's values and then
	// the product: few enough to stay in the first-level cache in between, and
	// whole steps of 32.
	meanRows = 96
	// gatherRows is how many rows of Right are gathered at a time.
	gatherRows = 64
	// mostDense is the largest core that is multiplied as a matrix.
	mostDense = 1 << 16
)

// RebuildScratch is the number of float32s that Rebuild and RebuildBF16 need as
// scratch.
func RebuildScratch(l *Layer) int { return RebuildSeveralScratch(l, 1) }

// RebuildSeveralScratch is the number of float32s that RebuildSeveral and
// RebuildSeveralBF16 need as scratch for so many variants.
func RebuildSeveralScratch(l *Layer, variants int) int {
	return variants*(rightLen(l)+denseLen(l)) + workers*rebuildRoom(l)
}

// rightLen is the used columns of Right, as float32 and filled up to whole
// panels.
func rightLen(l *Layer) int { return l.inputs() * paddedBF16(l.Q) }

// denseLen is a core as a matrix.
func denseLen(l *Layer) int { return min(paddedBF16(l.P)*l.Q, mostDense) }

// rebuildRoom is one worker's share: a part of a panel in float32, its S, in
// float32 and in pairs or what is gathered before, and a panel of Left in float32.
func rebuildRoom(l *Layer) int {
	q := paddedBF16(l.Q)
	return meanRows*Panel + q*Panel + q*max(Panel, gatherRows)/2 + paddedBF16(l.P)*Panel
}

// Rebuild writes a variant's weights of one layer: dst packed,
// [ceil(M/32)][N][32], and bias (M; not touched when the layer has none).
// Only the right directions that the core uses are read.
//
// For each panel it forms S = Left·core, (used rights, 32), from the nonzeros,
// and then the product of Right's used columns and S onto the mean: the inputs
// are the product's rows, the panel's outputs its columns, so that it ends in
// packed order.
func Rebuild(dst, bias []float32, l *Layer, c *Core, scratch []float32) {
	b := newRebuild(l, false)
	b.targets = append(b.targets, rebuildTarget{dst: dst, bias: bias, core: c})
	b.run(scratch)
}

// RebuildBF16 is Rebuild into WeightsBF16's order. Where the processor
// multiplies BF16, S is rounded to it, an error relative to the delta, not to
// the weight, and denormal weights become zero.
func RebuildBF16(dst []uint16, bias []float32, l *Layer, c *Core, scratch []float32) {
	b := newRebuild(l, true)
	b.targets = append(b.targets, rebuildTarget{dst16: dst, bias: bias, core: c})
	b.run(scratch)
}

// A Target is where RebuildSeveral writes one variant's layer.
type Target struct {
	Dst, Bias []float32 // as Rebuild's
	Core      *Core
}

// A TargetBF16 is a Target for weights in BF16.
type TargetBF16 struct {
	Dst  []uint16
	Bias []float32
	Core *Core
}

// RebuildSeveral is Rebuild for several variants, which reads the layer's Mean,
// Left and Right from memory once for all.
func RebuildSeveral(to []Target, l *Layer, scratch []float32) {
	b := newRebuild(l, false)
	for _, t := range to {
		b.targets = append(b.targets, rebuildTarget{dst: t.Dst, bias: t.Bias, core: t.Core})
	}
	b.run(scratch)
}

// RebuildSeveralBF16 is RebuildSeveral as RebuildBF16 is Rebuild.
func RebuildSeveralBF16(to []TargetBF16, l *Layer, scratch []float32) {
	b := newRebuild(l, true)
	for _, t := range to {
		b.targets = append(b.targets, rebuildTarget{dst16: t.Dst, bias: t.Bias, core: t.Core})
	}
	b.run(scratch)
}

var rebuilds = sync.Pool{New: func() any { return new(rebuild) }}

// A rebuild is one call under way. Its units are first chunks of Right's rows,
// whose used columns are gathered for every target, and then panels.
type rebuild struct {
	layer     *Layer
	bf16      bool // the targets are
	native    bool // multiplies in BF16
	targets   []rebuildTarget
	lefts     directions
	rooms     []float32 // (workers, rebuildRoom)
	gathering bool
}

type rebuildTarget struct {
	dst   []float32 // or
	dst16 []uint16
	bias  []float32
	core  *Core

	right matrix  // (inputs, rights), the columns that the core uses
	lefts []int32 // the left directions that the core uses
	dense matrix  // (rights, lefts), the core, where most of it is nonzero
}

func newRebuild(l *Layer, bf16 bool) *rebuild {
	b := rebuilds.Get().(*rebuild)
	b.layer, b.bf16, b.native = l, bf16, bf16 && multipliesBF16()
	return b
}

func (b *rebuild) run(scratch []float32) {
	l := b.layer
	checkLayer(l)
	checkLen("Rebuild: scratch", len(scratch), RebuildSeveralScratch(l, len(b.targets)))
	b.rooms = scratch[len(b.targets)*(rightLen(l)+denseLen(l)):]
	rights := 0
	for i := range b.targets {
		t := &b.targets[i]
		b.check(t)
		rights += len(t.core.Rights)
		t.lefts = b.lefts.used(t.core, l.P)
		var room []float32
		room, scratch = cut(scratch, rightLen(l))
		t.right = matrixIn(room, len(t.core.Rights), b.native)
		room, scratch = cut(scratch, denseLen(l))
		b.spreadCore(t, room)
	}
	most := 1
	if l.M*l.N*max(rights, parallelRows) >= parallelWork {
		most = workers
	}
	b.gathering = true
	run(b, (l.inputs()+gatherRows-1)/gatherRows, most)
	b.gathering = false
	run(b, panels(l.M), most)
	clear(b.targets)
	b.lefts.reset()
	*b = rebuild{targets: b.targets[:0], lefts: b.lefts}
	rebuilds.Put(b)
}

func (b *rebuild) check(t *rebuildTarget) {
	l := b.layer
	checkCore(l, t.core)
	if b.bf16 {
		checkLen("Rebuild: dst", len(t.dst16), PackedLenBF16(l.M, l.N))
	} else {
		checkLen("Rebuild: dst", len(t.dst), PackedLen(l.M, l.N))
	}
	if l.Bias {
		checkLen("Rebuild: bias", len(t.bias), l.M)
	}
}

// spreadCore writes a core as a matrix where that pays: where half of the pairs
// of the directions that it uses, or more, are there.
func (b *rebuild) spreadCore(t *rebuildTarget, room []float32) {
	c := t.core
	m := matrixIn(room, len(t.lefts), b.native)
	if size := len(c.Rights) * m.cols; 2*len(c.Lefts) < size || size == 0 || size > len(room) {
		return
	}
	t.dense = m
	row := b.rooms[:m.cols]
	for i := range c.Rights {
		if !b.native {
			row = m.wide[i*m.cols:][:m.cols]
		}
		clear(row)
		lefts, values := c.nonzeros(i)
		for j, left := range lefts {
			row[b.lefts.places[left]] += values[j]
		}
		if b.native {
			roundBF16(m.halves[i*m.cols:][:m.cols], row)
		}
	}
}

func (b *rebuild) unit(worker, unit int) {
	size := rebuildRoom(b.layer)
	room := b.rooms[worker*size:][:size]
	for i := range b.targets {
		if b.gathering {
			b.gather(&b.targets[i], unit*gatherRows, room)
		} else {
			b.panel(&b.targets[i], unit, room)
		}
	}
}

// gather picks the used columns of some of Right's rows: as they are, or as
// float32.
func (b *rebuild) gather(t *rebuildTarget, row int, room []float32) {
	l := b.layer
	rows := min(gatherRows, l.inputs()-row)
	rights := t.core.Rights
	wide := paddedBF16(len(rights))
	to := asHalves(room)
	if b.native {
		to = t.right.halves[row*wide:]
	}
	for at := 0; at < len(rights); at += Panel {
		gather(to[at:], wide, l.Right[row*l.Q:], l.Q, rights[at:min(at+Panel, len(rights))], rows)
	}
	if b.native {
		return
	}
	for r := range rows {
		fromHalf(t.right.wide[(row+r)*len(rights):][:len(rights)], to[r*wide:][:len(rights)], BF16)
	}
}
