package kernel

// Layer is one shared layer of a basis in memory. A variant's weights of the layer
// are [W b] ≈ Mean + Left·core·Right, with M outputs, N inputs, P left directions
// and Q right directions.
type Layer struct {
	M, N, P, Q int
	Bias       bool
	MeanType   Format
	Mean       []uint16  // panels, [ceil(M/32)][N][32]
	MeanBias   []float32 // (M), nil without bias
	Left       []uint16  // BF16 panels, [ceil(M/32)][P][32]

	// Right is BF16, (N+1, Q) or without bias (N, Q): row i holds input i's part in
	// every right direction. The last row is the bias's.
	Right []uint16
}

// inputs returns the number of rows of Right: N, and one more for the bias.
func (l *Layer) inputs() int {
	if l.Bias {
		return l.N + 1
	}
	return l.N
}

func (l *Layer) check() {
	checkLen("Layer: Mean", len(l.Mean), PackedLen(l.M, l.N))
	checkLen("Layer: Left", len(l.Left), PackedLen(l.M, l.P))
	checkLen("Layer: Right", len(l.Right), l.inputs()*l.Q)
	if l.Bias {
		checkLen("Layer: MeanBias", len(l.MeanBias), l.M)
	}
}
