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
