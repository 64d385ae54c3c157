package kernel

import (
	"sync"
	"unsafe"
)

// meanRows is how many inputs of a panel take the mean's values and then the
// product: few enough to stay in the first-level cache in between, and whole
// steps of 32.
const meanRows = 96

// RebuildScratch is the number of float32s that Rebuild and RebuildBF16 need as
// scratch.
func RebuildScratch(l *Layer) int {
	q := paddedBF16(l.Q)
	return l.inputs()*q + q + rebuildWorkers(l, l.Q)*sumsLen(l)
}

// sumsLen is one worker's share: S in float32 and, half as long, in pairs.
func sumsLen(l *Layer) int { return paddedBF16(l.Q) * (Panel + Panel/2) }

func rebuildWorkers(l *Layer, rights int) int {
	if l.M*l.N*max(rights, parallelRows) < parallelWork {
		return 1
	}
	return min(workers, panels(l.M))
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
	checkLen("Rebuild: dst", len(dst), PackedLen(l.M, l.N))
	rebuildTo(rebuild{dst: dst, bias: bias, layer: l, core: c}, scratch)
}

// RebuildBF16 is Rebuild into WeightsBF16's order. Where the processor
// multiplies BF16, S is rounded to it: an error relative to the delta, not to
// the weight.
func RebuildBF16(dst []uint16, bias []float32, l *Layer, c *Core, scratch []float32) {
	checkLen("Rebuild: dst", len(dst), PackedLenBF16(l.M, l.N))
	rebuildTo(rebuild{dst16: dst, bias: bias, layer: l, core: c, native: multipliesBF16()}, scratch)
}

var rebuilds = sync.Pool{New: func() any { return new(rebuild) }}

// A rebuild is one call under way; its units are panels.
type rebuild struct {
	dst     []float32 // or
	dst16   []uint16
	bias    []float32
	layer   *Layer
	core    *Core
	native  bool // multiplies in BF16
	used    int  // right directions; with native, filled up to whole steps of 32
	right   []float32
	right16 []uint16  // (inputs, used), one of the two
	sums    []float32 // (workers, sumsLen)
}

func rebuildTo(q rebuild, scratch []float32) {
	l := q.layer
	checkLayer(l)
	checkCore(l, q.core)
	checkLen("Rebuild: scratch", len(scratch), RebuildScratch(l))
	if l.Bias {
		checkLen("Rebuild: bias", len(q.bias), l.M)
	}
	b := rebuilds.Get().(*rebuild)
	*b = q
	room := (l.inputs() + 1) * paddedBF16(l.Q)
	b.gatherRight(scratch[:room])
	b.sums = scratch[room:]
	run(b, panels(l.M), rebuildWorkers(l, len(q.core.Rights)))
	*b = rebuild{}
	rebuilds.Put(b)
}

// gatherRight writes the used columns of Right, side by side, to the scratch:
// as they are, or as float32. The room for one whole row at the end holds a row
// while its columns are picked.
func (b *rebuild) gatherRight(scratch []float32) {
	l, rights := b.layer, b.core.Rights
	inputs := l.inputs()
	if b.native {
		b.used = paddedBF16(len(rights))
		b.right16 = asHalves(scratch)
		for i := range inputs {
			to := b.right16[i*b.used:][:b.used]
			pick(to, l.Right[i*l.Q:][:l.Q], rights)
			clear(to[len(rights):])
		}
		return
	}
	b.used, b.right = len(rights), scratch
	row := scratch[len(scratch)-paddedBF16(l.Q):][:l.Q]
	for i := range inputs {
		to, from := b.right[i*b.used:][:b.used], l.Right[i*l.Q:][:l.Q]
		if b.used == l.Q {
			fromHalf(to, from, BF16)
			continue
		}
		fromHalf(row, from, BF16)
		pick(to, row, rights)
	}
}

func pick[T any](to, from []T, places []int32) {
	if len(places) == len(from) {
		copy(to, from)
		return
	}
	for j, p := range places {
		to[j] = from[p]
	}
}

// asHalves is the same memory as twice as many uint16s.
func asHalves(x []float32) []uint16 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&x[0])), 2*len(x))
}

func (b *rebuild) unit(worker, panel int) {
	l := b.layer
	s := b.combine(b.sums[worker*sumsLen(l):][:sumsLen(l)], panel)
	mean := l.Mean[panel*l.N*Panel:][:l.N*Panel]
	for r := 0; r < l.N; r += meanRows {
		rows := min(meanRows, l.N-r)
		if b.dst16 == nil {
			to := b.dst[(panel*l.N+r)*Panel:][:rows*Panel]
			fromHalf(to, mean[r*Panel:][:rows*Panel], l.MeanType)
			b.addRows(to, r, rows, s)
			continue
		}
		var wide [meanRows * Panel]float32
		fromHalf(wide[:rows*Panel], mean[r*Panel:][:rows*Panel], l.MeanType)
		b.addRows(wide[:], r, rows, s)
		padded := paddedBF16(rows) * Panel
		joinPairs(b.dst16[(panel*paddedBF16(l.N)+r)*Panel:][:padded], wide[:padded])
	}
	if l.Bias {
		b.finishBias(panel, s)
	}
}

// sums is one panel's S: (used, 32), or with native in pairs.
type sums struct {
	wide  []float32
	pairs []uint16
}

// combine forms one panel's S in its worker's room.
func (b *rebuild) combine(room []float32, panel int) sums {
	l, c := b.layer, b.core
	left := l.Left[panel*l.P*Panel:][:l.P*Panel]
	s := sums{wide: room[:b.used*Panel]}
	for i := range c.Rights {
		from, to := c.Starts[i], c.Starts[i+1]
		combine((*[Panel]float32)(s.wide[i*Panel:]), left, c.Lefts[from:to], c.Values[from:to])
	}
	if b.native {
		clear(s.wide[len(c.Rights)*Panel:])
		s.pairs = asHalves(room[paddedBF16(l.Q)*Panel:])[:len(s.wide)]
		joinPairs(s.pairs, s.wide)
	}
	return s
}

// addRows adds Right's rows, from row on, times S to dst (rows, 32).
func (b *rebuild) addRows(dst []float32, row, rows int, s sums) {
	if b.used == 0 {
		return
	}
	tall := tileRows()
	if b.native {
		tall = tileRowsBF16()
	}
	tiles := (rows + tall - 1) / tall
	for t := range tiles {
		r0, r1 := t*rows/tiles, (t+1)*rows/tiles
		if b.native {
			tileBF16(dst[r0*Panel:], Panel, b.right16[(row+r0)*b.used:], b.used, s.pairs, r1-r0, true)
		} else {
			tile(dst[r0*Panel:], Panel, b.right[(row+r0)*b.used:], b.used, s.wide, r1-r0, b.used, true)
		}
	}
}

func (b *rebuild) finishBias(panel int, s sums) {
	l := b.layer
	var row [Panel]float32
	width := min(Panel, l.M-panel*Panel)
	copy(row[:], l.MeanBias[panel*Panel:][:width])
	b.addRows(row[:], l.N, 1, s)
	copy(b.bias[panel*Panel:][:width], row[:])
}
