package kernel

import "sync"

const (
	// meanRows is the number of inputs of a panel that are set to the mean before the
	// product is added: a multiple of 32, and few enough that they stay in the
	// first-level cache in between.
	meanRows = 96
	// chunkRows is the number of rows of Right in a unit of gathering.
	chunkRows = 64
	// maxDense is the size of the largest core that is multiplied as a dense matrix.
	maxDense = 1 << 16
)

// A Target is where Rebuild writes one variant's weights of a layer: either F32 or
// BF16 is set.
type Target struct {
	F32  []float32 // packed as Weights
	BF16 []uint16  // packed as WeightsBF16
	Bias []float32 // (M), not written if the layer has no bias
	Core *Core
}

// Rebuild writes the weights of one layer for one or more variants, all in the same
// format. It reads Mean, Left and Right from memory once for all of them, and of Right
// only the directions that a core uses. scratch has RebuildScratch elements.
//
// For each panel Rebuild forms S = Left·core, (used rights, 32), from the core's
// nonzeros, and then adds the product of Right's used columns and S to the mean. The
// inputs are the product's rows and the panel's outputs its columns, so the result is
// in packed order.
//
// Where the processor multiplies BF16, BF16 targets round S to BF16, an error relative
// to the delta rather than to the weight, and denormal weights become zero.
func Rebuild(targets []Target, l *Layer, scratch []float32) {
	if len(targets) == 0 {
		return
	}
	b := rebuilds.Get().(*rebuild)
	b.layer, b.bf16 = l, targets[0].BF16 != nil
	b.native = b.bf16 && multipliesBF16()
	for _, t := range targets {
		b.targets = append(b.targets, rebuildTarget{Target: t})
	}
	b.run(scratch)
	clear(b.targets)
	b.lefts.reset()
	*b = rebuild{targets: b.targets[:0], lefts: b.lefts}
	rebuilds.Put(b)
}

// RebuildScratch returns the number of float32s that Rebuild needs as scratch for a
// number of variants.
func RebuildScratch(l *Layer, variants int) int {
	return variants*(rightLen(l)+denseLen(l)) + workers*rebuildWorkerScratch(l)
}

// rightLen returns the length of the used columns of Right in either format.
func rightLen(l *Layer) int { return l.inputs() * paddedBF16(l.Q) }

// denseLen returns the length of a dense core.
func denseLen(l *Layer) int { return min(paddedBF16(l.P)*l.Q, maxDense) }

// rebuildWorkerScratch returns one worker's share of the scratch: a part of a panel;
// S, as float32 and as pairs, or before that a chunk of gathered columns; and a panel
// of Left.
func rebuildWorkerScratch(l *Layer) int {
	q := paddedBF16(l.Q)
	return meanRows*Panel + q*Panel + q*max(Panel, chunkRows)/2 + paddedBF16(l.P)*Panel
}

// A rebuild is one call of Rebuild. It runs twice: first its units are chunks of
// Right's rows, whose used columns are gathered for every target; then panels.
type rebuild struct {
	layer     *Layer
	bf16      bool // the targets are BF16
	native    bool // and the products, too
	targets   []rebuildTarget
	lefts     usedLefts
	scratch   []float32 // (workers, rebuildWorkerScratch)
	gathering bool
}

type rebuildTarget struct {
	Target
	right Matrix  // (inputs, rights), the columns of Right that the core uses
	lefts []int32 // the left directions that the core uses
	dense Matrix  // (rights, lefts), the core if most of it is nonzero
}

var rebuilds = sync.Pool{New: func() any { return new(rebuild) }}

func (b *rebuild) run(scratch []float32) {
	l := b.layer
	l.check()
	checkLen("Rebuild: scratch", len(scratch), RebuildScratch(l, len(b.targets)))
	b.scratch = scratch[len(b.targets)*(rightLen(l)+denseLen(l)):]
	rights := 0
	for i := range b.targets {
		t := &b.targets[i]
		b.check(t)
		rights += len(t.Core.Rights)
		t.lefts = b.lefts.add(t.Core, l.P)
		var buf []float32
		buf, scratch = cut(scratch, rightLen(l))
		t.right = b.matrix(buf, len(t.Core.Rights))
		buf, scratch = cut(scratch, denseLen(l))
		b.fillDense(t, buf)
	}
	limit := 1
	if l.M*l.N*max(rights, parallelRows) >= parallelWork {
		limit = workers
	}
	b.gathering = true
	run(b, (l.inputs()+chunkRows-1)/chunkRows, limit)
	b.gathering = false
	run(b, panels(l.M), limit)
}

func (b *rebuild) check(t *rebuildTarget) {
	l := b.layer
	t.Core.check(l)
	if b.bf16 {
		checkLen("Rebuild: BF16", len(t.BF16), PackedLenBF16(l.M, l.N))
	} else {
		checkLen("Rebuild: F32", len(t.F32), PackedLen(l.M, l.N))
	}
	if l.Bias {
		checkLen("Rebuild: Bias", len(t.Bias), l.M)
	}
}

// matrix returns a matrix without gaps in buf, in the format that is multiplied. Its
// stride is the depth of a product with it: BF16 rows are padded to a multiple of 32.
func (b *rebuild) matrix(buf []float32, cols int) Matrix {
	if b.native {
		return Matrix{BF16: asUint16s(buf), Stride: paddedBF16(cols)}
	}
	return Matrix{F32: buf, Stride: cols}
}

// fillDense writes a core as a dense matrix to buf if that is faster to multiply: if
// at least half of the pairs of directions that it uses are nonzero.
func (b *rebuild) fillDense(t *rebuildTarget, buf []float32) {
	c := t.Core
	m := b.matrix(buf, len(t.lefts))
	if size := len(c.Rights) * m.Stride; 2*len(c.Lefts) < size || size == 0 || size > len(buf) {
		return
	}
	t.dense = m
	row := b.scratch[:m.Stride]
	for i := range c.Rights {
		if !b.native {
			row = m.F32[i*m.Stride:][:m.Stride]
		}
		clear(row)
		lefts, values := c.column(i)
		for j, left := range lefts {
			row[b.lefts.index[left]] += values[j]
		}
		if b.native {
			roundBF16(m.BF16[i*m.Stride:][:m.Stride], row)
		}
	}
}

func (b *rebuild) unit(worker, unit int) {
	size := rebuildWorkerScratch(b.layer)
	scratch := b.scratch[worker*size:][:size]
	for i := range b.targets {
		if b.gathering {
			b.gather(&b.targets[i], unit*chunkRows, scratch)
		} else {
			b.panel(&b.targets[i], unit, scratch)
		}
	}
}

// gather copies the used columns of a chunk of Right's rows, from row on, to the
// target's matrix.
func (b *rebuild) gather(t *rebuildTarget, row int, scratch []float32) {
	l := b.layer
	rows := min(chunkRows, l.inputs()-row)
	rights := t.Core.Rights
	stride := paddedBF16(len(rights))
	to := asUint16s(scratch)
	if b.native {
		to = t.right.BF16[row*stride:]
	}
	for at := 0; at < len(rights); at += Panel {
		gatherColumns(to[at:], stride, l.Right[row*l.Q:], l.Q, rights[at:min(at+Panel, len(rights))], rows)
	}
	if b.native {
		return
	}
	for r := range rows {
		fromFloat16(t.right.F32[(row+r)*len(rights):][:len(rights)], to[r*stride:][:len(rights)], BF16)
	}
}
