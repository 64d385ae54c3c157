package kernel

import (
	"sync"
	"unsafe"
)

const (
	// meanRows is how many inputs of a panel take the mean's values and then
	// the product: few enough to stay in the first-level cache in between, and
	// whole steps of 32.
	meanRows = 96
	// gatherRows is how many rows of Right are gathered at a time.
	gatherRows = 64
)

// RebuildScratch is the number of float32s that Rebuild and RebuildBF16 need as
// scratch.
func RebuildScratch(l *Layer) int { return RebuildSeveralScratch(l, 1) }

// RebuildSeveralScratch is the number of float32s that RebuildSeveral and
// RebuildSeveralBF16 need as scratch for so many variants.
func RebuildSeveralScratch(l *Layer, variants int) int {
	return variants*rightLen(l) + workers*rebuildRoom(l)
}

// rightLen is the used columns of Right, as float32 and filled up to whole
// panels.
func rightLen(l *Layer) int { return l.inputs() * paddedBF16(l.Q) }

// rebuildRoom is one worker's share: a panel's S, in float32 and in pairs or
// what is gathered before, and a panel of Left in float32.
func rebuildRoom(l *Layer) int {
	q := paddedBF16(l.Q)
	return q*Panel + q*max(Panel, gatherRows)/2 + l.P*Panel
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
	rooms     []float32 // (workers, rebuildRoom)
	gathering bool
}

type rebuildTarget struct {
	dst   []float32 // or
	dst16 []uint16
	bias  []float32
	core  *Core

	used    int       // right directions; with native, filled up to whole steps of 32
	right   []float32 // (inputs, used), or
	right16 []uint16
	lefts   []int32 // the left directions that the core uses
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
	rights := 0
	for i := range b.targets {
		var right []float32
		right, scratch = cut(scratch, rightLen(l))
		rights += b.open(&b.targets[i], right)
	}
	b.rooms = scratch
	most := 1
	if l.M*l.N*max(rights, parallelRows) >= parallelWork {
		most = workers
	}
	b.gathering = true
	run(b, (l.inputs()+gatherRows-1)/gatherRows, most)
	b.gathering = false
	run(b, panels(l.M), most)
	clear(b.targets)
	*b = rebuild{targets: b.targets[:0]}
	rebuilds.Put(b)
}

// open checks a target and gives it its room for Right's columns; it returns
// how many the core uses.
func (b *rebuild) open(t *rebuildTarget, right []float32) int {
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
	t.used, t.right = len(t.core.Rights), right
	if b.native {
		t.used, t.right16 = paddedBF16(t.used), asHalves(right)
	}
	return t.used
}

// asHalves is the same memory as twice as many uint16s.
func asHalves(x []float32) []uint16 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&x[0])), 2*len(x))
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
		to = t.right16[row*wide:]
	}
	for at := 0; at < len(rights); at += Panel {
		gather(to[at:], wide, l.Right[row*l.Q:], l.Q, rights[at:min(at+Panel, len(rights))], rows)
	}
	if b.native {
		return
	}
	for r := range rows {
		fromHalf(t.right[(row+r)*t.used:][:t.used], to[r*wide:][:t.used], BF16)
	}
}

// panel rebuilds one panel.
func (b *rebuild) panel(t *rebuildTarget, panel int, room []float32) {
	l := b.layer
	s := b.combine(t, panel, room)
	mean := l.Mean[panel*l.N*Panel:][:l.N*Panel]
	for r := 0; r < l.N; r += meanRows {
		rows := min(meanRows, l.N-r)
		if !b.bf16 {
			to := t.dst[(panel*l.N+r)*Panel:][:rows*Panel]
			fromHalf(to, mean[r*Panel:][:rows*Panel], l.MeanType)
			b.addRows(to, t, r, rows, s)
			continue
		}
		var wide [meanRows * Panel]float32
		fromHalf(wide[:rows*Panel], mean[r*Panel:][:rows*Panel], l.MeanType)
		b.addRows(wide[:], t, r, rows, s)
		padded := paddedBF16(rows) * Panel
		b.join(t.dst16[(panel*paddedBF16(l.N)+r)*Panel:][:padded], wide[:padded])
	}
	if l.Bias {
		b.finishBias(t, panel, s)
	}
}

func (b *rebuild) join(pairs []uint16, wide []float32) {
	if b.native {
		roundPairsBF16(pairs, wide)
	} else {
		joinPairs(pairs, wide)
	}
}

// sums is one panel's S: (used, 32), or with native in pairs.
type sums struct {
	wide  []float32
	pairs []uint16
}

// combine forms one panel's S in its worker's room.
func (b *rebuild) combine(t *rebuildTarget, panel int, room []float32) sums {
	l, c := b.layer, t.core
	left, room := cut(room, l.P*Panel)
	wide, room := cut(room, t.used*Panel)
	fromHalf(left, l.Left[panel*l.P*Panel:][:l.P*Panel], BF16)
	s := sums{wide: wide}
	for i := range c.Rights {
		lefts, values := c.nonzeros(i)
		combine((*[Panel]float32)(s.wide[i*Panel:]), left, lefts, values)
	}
	if b.native {
		clear(s.wide[len(c.Rights)*Panel:])
		s.pairs = asHalves(room)[:len(s.wide)]
		roundPairsBF16(s.pairs, s.wide)
	}
	return s
}

// addRows adds Right's rows, from row on, times S to dst (rows, 32).
func (b *rebuild) addRows(dst []float32, t *rebuildTarget, row, rows int, s sums) {
	if t.used == 0 {
		return
	}
	tall := tileRows()
	if b.native {
		tall = tileRowsBF16()
	}
	tiles := (rows + tall - 1) / tall
	for i := range tiles {
		r0, r1 := i*rows/tiles, (i+1)*rows/tiles
		if b.native {
			tileBF16(dst[r0*Panel:], Panel, t.right16[(row+r0)*t.used:], t.used, s.pairs, r1-r0, true)
		} else {
			tile(dst[r0*Panel:], Panel, t.right[(row+r0)*t.used:], t.used, s.wide, r1-r0, t.used, true)
		}
	}
}

func (b *rebuild) finishBias(t *rebuildTarget, panel int, s sums) {
	l := b.layer
	var row [Panel]float32
	width := min(Panel, l.M-panel*Panel)
	copy(row[:], l.MeanBias[panel*Panel:][:width])
	b.addRows(row[:], t, l.N, 1, s)
	copy(t.bias[panel*Panel:][:width], row[:])
}
