package nn

import "eigenserve/runtime/kernel"

// Weights are the weights of one variant as a forward pass reads them: slices of a
// slab for the layers and vectors that the family shares, and the variant's own heads.
// A pass only reads them, so any number of passes may share them.
type Weights struct {
	Layers   []Dense   // by index in Plan.Layers
	Factored *Factored // used instead of Layers if not nil

	Vectors [][]float32 // by index in Plan.Vectors
	Heads   []Dense     // in the order of their declaration; set by BindPrivate
}

// Dense is one linear layer in packed order, in one of the two precisions. The panels
// of the other are nil.
type Dense struct {
	F32  kernel.Weights
	BF16 kernel.WeightsBF16
	Bias []float32 // (outputs), nil without a bias
}

// Outputs returns the number of rows of the layer's matrix.
func (d Dense) Outputs() int { return max(d.F32.N, d.BF16.N) }

// Inputs returns the number of columns of the layer's matrix.
func (d Dense) Inputs() int { return max(d.F32.K, d.BF16.K) }

// Bytes returns the memory that the layer takes, including the padding of its last
// panel.
func (d Dense) Bytes() int { return 4*(len(d.F32.Panels)+len(d.Bias)) + 2*len(d.BF16.Panels) }

// PrivateBytes returns the memory that the heads take, which are not in the slab.
func (w *Weights) PrivateBytes() int {
	n := 0
	for _, d := range w.Heads {
		n += d.Bytes()
	}
	return n
}

// Bind returns the weights that lie in a slab of at least SlabLen float32s. It neither
// copies nor reads the slab, which may be bound once and filled many times. It leaves
// the heads to BindPrivate.
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
		d.bind(p.precision, l.Rows(), l.Cols(), cut(p.packedLen(l)))
		if l.Bias {
			d.Bias = cut(l.Rows())
		}
	}
	for i, v := range p.Vectors {
		w.Vectors[i] = cut(v.Len())
	}
	return w
}
