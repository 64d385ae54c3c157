package kernel

// Layer is one shared layer of a resident basis, from which a variant's layer
// is rebuilt: [W b] ≈ Mean + Left·core·Right, M outputs, N inputs, P left and Q
// right directions.
type Layer struct {
	M, N, P, Q int
	Bias       bool
	MeanType   Half
	Mean       []uint16  // panels, [ceil(M/32)][N][32]
	MeanBias   []float32 // (M), nil without bias
	Left       []uint16  // BF16 panels, [ceil(M/32)][P][32]
	Right      []uint16  // BF16, (N+1, Q) or without bias (N, Q): an input's part in every right direction; the last row is the bias's
}

// Core is a variant's core of one layer: its nonzeros, already times the step,
// grouped by right direction. Right direction Rights[i] is joined to the left
// ones Lefts[Starts[i]:Starts[i+1]], with the Values at the same places. Rights
// ascend.
type Core struct {
	Rights []int32
	Starts []int32 // (len(Rights)+1)
	Lefts  []int32
	Values []float32
}

// inputs is the rows of Right: the layer's inputs and, with a bias, one more.
func (l *Layer) inputs() int {
	if l.Bias {
		return l.N + 1
	}
	return l.N
}

func checkLayer(l *Layer) {
	checkLen("Layer: Mean", len(l.Mean), PackedLen(l.M, l.N))
	checkLen("Layer: Left", len(l.Left), PackedLen(l.M, l.P))
	checkLen("Layer: Right", len(l.Right), l.inputs()*l.Q)
	if l.Bias {
		checkLen("Layer: MeanBias", len(l.MeanBias), l.M)
	}
}

// checkCore keeps assembly, which checks no bounds, inside Left and Right.
func checkCore(l *Layer, c *Core) {
	if len(c.Starts) != len(c.Rights)+1 && len(c.Rights) > 0 || len(c.Rights) > l.Q {
		panic("kernel: Core: Rights and Starts do not fit the layer or each other")
	}
	checkLen("Core: Values", len(c.Values), len(c.Lefts))
	last := int32(-1)
	for _, r := range c.Rights {
		if r <= last || int(r) >= l.Q {
			panic("kernel: Core: right directions that do not ascend, or one that the layer does not have")
		}
		last = r
	}
	for _, i := range c.Lefts {
		if uint(i) >= uint(l.P) {
			panic("kernel: Core: a left direction that the layer does not have")
		}
	}
}

// nonzeros are the left directions that the core joins to its right i, and the
// values.
func (c *Core) nonzeros(i int) (lefts []int32, values []float32) {
	from, to := c.Starts[i], c.Starts[i+1]
	return c.Lefts[from:to], c.Values[from:to]
}
