package kernel

import "sync"

// meanRows is how many inputs of a panel take the mean's values and then the
// product: few enough to stay in the first-level cache in between.
const meanRows = 96

// RebuildScratch is the number of float32s that Rebuild needs as scratch.
func RebuildScratch(l *Layer) int {
	return l.inputs()*l.Q + l.Q + rebuildWorkers(l, l.Q)*l.Q*Panel
}

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
	checkLayer(l)
	checkCore(l, c)
	checkLen("Rebuild: dst", len(dst), PackedLen(l.M, l.N))
	checkLen("Rebuild: scratch", len(scratch), RebuildScratch(l))
	if l.Bias {
		checkLen("Rebuild: bias", len(bias), l.M)
	}
	used := len(c.Rights)
	right, rest := cut(scratch, l.inputs()*l.Q+l.Q)
	gatherRight(right, l, c.Rights)

	b := rebuilds.Get().(*rebuild)
	*b = rebuild{dst: dst, bias: bias, layer: l, core: c, right: right, sums: rest}
	run(b, panels(l.M), rebuildWorkers(l, used))
	*b = rebuild{}
	rebuilds.Put(b)
}

func checkLayer(l *Layer) {
	checkLen("Layer: Mean", len(l.Mean), PackedLen(l.M, l.N))
	checkLen("Layer: Left", len(l.Left), PackedLen(l.M, l.P))
	checkLen("Layer: Right", len(l.Right), l.inputs()*l.Q)
	if l.Bias {
		checkLen("Layer: MeanBias", len(l.MeanBias), l.M)
	}
}

// checkCore keeps assembly, which checks no bounds, inside Left.
func checkCore(l *Layer, c *Core) {
	if len(c.Starts) != len(c.Rights)+1 && len(c.Rights) > 0 || len(c.Rights) > l.Q {
		panic("kernel: Core: Rights and Starts do not fit the layer or each other")
	}
	checkLen("Core: Values", len(c.Values), len(c.Lefts))
	for _, i := range c.Lefts {
		if uint(i) >= uint(l.P) {
			panic("kernel: Core: a left direction that the layer does not have")
		}
	}
}

// gatherRight writes the used columns of Right, side by side, to dst
// (inputs, used). The room for one whole row behind them holds a row while its
// columns are picked.
func gatherRight(dst []float32, l *Layer, rights []int32) {
	inputs, used := l.inputs(), len(rights)
	row := dst[inputs*l.Q:][:l.Q]
	for i := 0; i < inputs; i++ {
		to := dst[i*used:][:used]
		if used == l.Q {
			fromHalf(to, l.Right[i*l.Q:][:l.Q], BF16)
			continue
		}
		fromHalf(row, l.Right[i*l.Q:][:l.Q], BF16)
		for j, r := range rights {
			to[j] = row[r]
		}
	}
}

var rebuilds = sync.Pool{New: func() any { return new(rebuild) }}

// A rebuild is one Rebuild under way; its units are panels.
type rebuild struct {
	dst, bias []float32
	layer     *Layer
	core      *Core
	right     []float32 // (inputs, used rights)
	sums      []float32 // (workers, Q, 32)
}

func (b *rebuild) unit(worker, panel int) {
	l, used := b.layer, len(b.core.Rights)
	sums := b.sums[worker*l.Q*Panel:][:used*Panel]
	left := l.Left[panel*l.P*Panel:][:l.P*Panel]
	for i := range b.core.Rights {
		from, to := b.core.Starts[i], b.core.Starts[i+1]
		combine((*[Panel]float32)(sums[i*Panel:]), left, b.core.Lefts[from:to], b.core.Values[from:to])
	}
	dst := b.dst[panel*l.N*Panel:][:l.N*Panel]
	mean := l.Mean[panel*l.N*Panel:][:l.N*Panel]
	for r := 0; r < l.N; r += meanRows {
		rows := min(meanRows, l.N-r)
		part := dst[r*Panel:][:rows*Panel]
		fromHalf(part, mean[r*Panel:][:rows*Panel], l.MeanType)
		if used > 0 {
			b.addRows(part, b.right[r*used:], sums, rows)
		}
	}
	if l.Bias {
		b.finishBias(panel, sums)
	}
}

// addRows adds right (rows, used) times sums (used, 32) to dst (rows, 32).
func (b *rebuild) addRows(dst, right, sums []float32, rows int) {
	used := len(b.core.Rights)
	tiles := (rows + tileRows() - 1) / tileRows()
	for t := 0; t < tiles; t++ {
		r0, r1 := t*rows/tiles, (t+1)*rows/tiles
		tile(dst[r0*Panel:], Panel, right[r0*used:], used, sums, r1-r0, used, true)
	}
}

func (b *rebuild) finishBias(panel int, sums []float32) {
	l, used := b.layer, len(b.core.Rights)
	var row [Panel]float32
	width := min(Panel, l.M-panel*Panel)
	copy(row[:], l.MeanBias[panel*Panel:][:width])
	if used > 0 {
		b.addRows(row[:], b.right[l.N*used:], sums, 1)
	}
	copy(b.bias[panel*Panel:][:width], row[:])
}

// combineGeneric sets dst to the sum of the left directions' parts in one
// panel, (P, 32) in BF16, each times its value.
func combineGeneric(dst *[Panel]float32, left []uint16, lefts []int32, values []float32) {
	*dst = [Panel]float32{}
	values = values[:len(lefts)]
	for i, l := range lefts {
		v := values[i]
		for j, h := range (*[Panel]uint16)(left[int(l)*Panel:]) {
			dst[j] += v * fromBF16(h)
		}
	}
}
