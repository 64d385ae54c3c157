package nn

import "eigenserve/runtime/kernel"

// Weights are one variant's, as a forward pass reads them: slices of a slab for
// what the family shares, and the variant's own heads. They are read only while
// a pass runs, so any number of passes may share them.
type Weights struct {
	Layers   []Dense   // by index in Plan.Layers, or
	Factored *Factored // in their place, the basis and the variant's cores

	Vectors [][]float32 // by index in Plan.Vectors
	Heads   []Dense     // in the order the architecture declared them; set by BindPrivate
}

// Dense is one linear layer in packed order, in one of the precisions: the
// panels of the other are nil.
type Dense struct {
	F32  kernel.Weights
	BF16 kernel.WeightsBF16
	Bias []float32 // (outputs), nil without a bias
}

// Outputs is the number of rows of the layer's matrix.
func (d Dense) Outputs() int { return max(d.F32.N, d.BF16.N) }

// Inputs is the number of its columns.
func (d Dense) Inputs() int { return max(d.F32.K, d.BF16.K) }

// Bytes is the memory that the layer takes, the padding of its last panel
// included.
func (d Dense) Bytes() int { return 4*(len(d.F32.Panels)+len(d.Bias)) + 2*len(d.BF16.Panels) }

// PrivateBytes is the memory that the heads take. It is apart from the slab.
func (w *Weights) PrivateBytes() int {
	n := 0
	for _, d := range w.Heads {
		n += d.Bytes()
	}
	return n
}

// Bind cuts a slab of at least SlabLen float32s into the weights that lie in
// it. It copies nothing and reads nothing: a slab may be bound once and filled
// many times over. The heads are left for BindPrivate.
func (p *Plan) Bind(slab []float32) Weights {
	w := Weights{
		Layers:  make([]Dense, len(p.Layers)),
		Vectors: make([][]float32, len(p.Vectors)),
	}
	cut := func(n int) []float32 {
		piece := slab[:n:n]
		slab = slab[aligned(n):]
		return piece
	}
	for i, l := range p.Layers {
		d := &w.Layers[i]
		d.set(p.precision, l.Rows(), l.Cols(), cut(p.packedLen(l)))
		if l.Bias {
			d.Bias = cut(l.Rows())
		}
	}
	for i, v := range p.Vectors {
		w.Vectors[i] = cut(v.Len())
	}
	return w
}
