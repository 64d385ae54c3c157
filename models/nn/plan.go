// Package nn holds what the architectures under models share: the Plan in which an
// architecture declares its weights, the slab in which one variant's weights lie, and
// the layers of which a forward pass is made.
//
// A layer (Linear, LayerNorm, Parameter, Head) holds the index of its weights in the
// plan, never the weights themselves. The weights come with the Pass, one set for each
// group of rows, so that one model serves every variant of its family and one batch
// may mix variants. This package alone decides how a layer runs, from a slab or
// factored; an architecture cannot tell.
//
// A pass is over rows. Each input adds a span of them, of any length: the patches of
// an image, the tokens of a text.
//
// The package reads no files and keeps no variants: the caller owns the memory of the
// weights, and fills it with Plan.Load or by rebuilding.
package nn

// Plan lists the weights of an architecture in the order of its forward pass. "Layer
// i" and "vector i" mean an index in these lists everywhere: the basis, a variant's
// coefficients and Weights have the same order.
type Plan struct {
	Layers  []Layer
	Vectors []Vector
	Private []Private

	heads     []head
	precision Precision
}

// Layer is one shared linear layer, (outputs, inputs) once stacked and flattened. Its
// parts are separate tensors of a checkpoint, stacked by rows in the given order:
// query, key and value of an attention are one layer.
type Layer struct {
	Name  string   // with one part, the name of the part
	Parts []string // the tensors are Parts[i]+".weight" and Parts[i]+".bias"
	Shape []int    // of one part's weight in the checkpoint: [out, in] or [out, channels, height, width]
	Bias  bool
}

// Rows returns the number of outputs of all parts together.
func (l Layer) Rows() int { return len(l.Parts) * l.Shape[0] }

// Cols returns the number of inputs.
func (l Layer) Cols() int { return size(l.Shape[1:]) }

// Vector is one small tensor shared by the family: a norm's weight or bias, the class
// token, the position embeddings.
type Vector struct {
	Name  string
	Shape []int
}

// Len returns the number of values.
func (v Vector) Len() int { return size(v.Shape) }

// Private is one tensor of a head, which every variant keeps for itself as it came.
// Shape[0], the number of labels, is -1: each variant has its own.
type Private struct {
	Name  string
	Shape []int
}

// head is a linear layer made of private tensors.
type head struct {
	weight int // index in Plan.Private
	bias   int // index in Plan.Private, or -1
}

// HeadTensors names the private tensors of one head.
type HeadTensors struct {
	Weight, Bias string // Bias is "" if the head has none
	Inputs       int
}

// Heads lists the heads in the order of Weights.Heads.
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

// Spec is the name and shape of one tensor that a checkpoint must have. Shape[0] is -1
// if it is the number of labels.
type Spec struct {
	Name  string
	Shape []int
}

// Specs lists every tensor of a checkpoint of this architecture: parts of layers,
// vectors, private tensors.
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

// SlabLen returns the number of float32s of one variant's slab: packed layers with
// their biases, then vectors, each aligned to 64 bytes within the slab.
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

// Names of tensors end as PyTorch ends those of a module.
const (
	weightSuffix = ".weight"
	biasSuffix   = ".bias"
)

// line is the length of a 64-byte cache line in float32s.
const line = 16

func aligned(n int) int { return (n + line - 1) &^ (line - 1) }

// size returns the number of values of a shape, 1 for a scalar.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
