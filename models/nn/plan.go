// Package nn holds what the architectures under models share: the Plan in which
// an architecture declares its weights, the slab that one variant's weights lie
// in, and the layers that a forward pass is written with.
//
// A layer here (Linear, LayerNorm, Parameter, Head) holds the index of its
// weights in the plan, never the weights themselves. The weights come with the
// Pass, group of images by group of images, so that one model serves every
// variant of its family and one batch may mix variants. How a layer is
// executed is decided in this package alone; an architecture cannot tell.
//
// The package reads no files and keeps no variants: its weights are slices that
// the caller owns, filled by Plan.Load or by a rebuild.
package nn

// Plan lists the weights of an architecture, in the order of its forward pass.
// A position in one of the lists is what every other place means by "layer i"
// or "vector i": the basis, a variant's coefficients and Weights follow it.
type Plan struct {
	Layers  []Layer
	Vectors []Vector
	Private []Private

	heads     []head
	precision Precision
}

// Layer is one shared linear layer, (outputs, inputs) once stacked and
// flattened. Its parts are separate tensors of a checkpoint, stacked by rows
// in the order given: query, key and value of an attention become one layer.
type Layer struct {
	Name  string   // the layer's own name; with one part, that part's
	Parts []string // tensors are Parts[i]+".weight" and Parts[i]+".bias"
	Shape []int    // of one part's weight as in the checkpoint: [out, in] or [out, channels, height, width]
	Bias  bool
}

// Rows is the number of outputs of all parts together.
func (l Layer) Rows() int { return len(l.Parts) * l.Shape[0] }

// Cols is the number of inputs: what one output's weights flatten to.
func (l Layer) Cols() int { return size(l.Shape[1:]) }

// Vector is one small tensor shared by the family: a norm's weight or bias, the
// class token, the position embeddings.
type Vector struct {
	Name  string
	Shape []int
}

// Len is the number of values.
func (v Vector) Len() int { return size(v.Shape) }

// Private is one tensor that every variant keeps for itself, as it came: those
// of a head, whose number of labels (Shape[0] is -1) is the variant's own.
type Private struct {
	Name  string
	Shape []int
}

// head is a linear layer made of private tensors.
type head struct {
	weight int // index in Plan.Private
	bias   int // likewise, -1 without a bias
}

// HeadTensors names what one head is made of, in the order of Weights.Heads.
type HeadTensors struct {
	Weight, Bias string // Bias is "" without one
	Inputs       int
}

// Heads lists the heads by their private tensors.
func (p *Plan) Heads() []HeadTensors {
	var out []HeadTensors
	for _, h := range p.heads {
		t := HeadTensors{Weight: p.Private[h.weight].Name, Inputs: size(p.Private[h.weight].Shape[1:])}
		if h.bias >= 0 {
			t.Bias = p.Private[h.bias].Name
		}
		out = append(out, t)
	}
	return out
}

// Spec is the name and the shape of one tensor that a checkpoint must hold.
// Shape[0] is -1 where a variant chooses it (labels).
type Spec struct {
	Name  string
	Shape []int
}

// Specs lists every tensor of a checkpoint of this architecture under its
// canonical name: parts of layers, vectors, private tensors.
func (p *Plan) Specs() []Spec {
	var specs []Spec
	for _, l := range p.Layers {
		for _, part := range l.Parts {
			specs = append(specs, Spec{part + weightSuffix, l.Shape})
			if l.Bias {
				specs = append(specs, Spec{part + biasSuffix, l.Shape[:1]})
			}
		}
	}
	for _, v := range p.Vectors {
		specs = append(specs, Spec(v))
	}
	for _, t := range p.Private {
		specs = append(specs, Spec(t))
	}
	return specs
}

// SlabLen is the number of float32s in one variant's slab: packed layers with
// their biases, then vectors, every piece starting on a 64-byte line of it.
func (p *Plan) SlabLen() int {
	n := 0
	for _, l := range p.Layers {
		n += aligned(p.packedLen(l))
		if l.Bias {
			n += aligned(l.Rows())
		}
	}
	for _, v := range p.Vectors {
		n += aligned(v.Len())
	}
	return n
}

// Tensors are named as PyTorch names those of a module.
const (
	weightSuffix = ".weight"
	biasSuffix   = ".bias"
)

// line is the length of a 64-byte cache line in float32s.
const line = 16

func aligned(n int) int { return (n + line - 1) &^ (line - 1) }

// size is the product of a shape, 1 for a scalar.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
