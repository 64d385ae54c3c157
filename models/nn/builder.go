package nn

import (
	"errors"
	"fmt"
)

// ErrPlan is the error for a declaration that no checkpoint can satisfy.
var ErrPlan = errors.New("invalid plan")

// maxSlabLen limits a slab to 64 GiB of float32s, far above any model that one machine
// serves and far below where sizes overflow.
const maxSlabLen = 1 << 34

// Builder collects an architecture's plan. Each method declares weights by their names
// in a checkpoint and returns the layer that runs on them. Plan returns the errors of
// all declarations.
type Builder struct {
	plan Plan
	seen map[string]bool
	len  int
	errs []error
}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder { return &Builder{seen: map[string]bool{}} }

// Plan returns what was declared, or all that is wrong with it as one error.
func (b *Builder) Plan() (*Plan, error) {
	if b.len > maxSlabLen {
		b.errs = append(b.errs, fmt.Errorf("%w: more than %d weights", ErrPlan, maxSlabLen))
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return &b.plan, nil
}

// Linear declares one linear layer. shape is that of its weight: [out, in], or [out,
// channels, height, width] for a convolution that runs on flattened patches.
func (b *Builder) Linear(name string, bias bool, shape ...int) Linear {
	return b.Stacked(name, []string{name}, bias, shape...)
}

// Stacked declares one layer made of parts of the same shape that read the same input.
// Its output holds the outputs of the parts side by side.
func (b *Builder) Stacked(name string, parts []string, bias bool, shape ...int) Linear {
	for _, part := range parts {
		b.claim(part+weightSuffix, len(shape) >= 2, shape)
		if bias {
			b.claim(part+biasSuffix, true, shape[:min(1, len(shape))])
		}
	}
	l := Layer{Name: name, Parts: parts, Shape: shape, Bias: bias}
	if len(b.errs) > 0 {
		return Linear{}
	}
	b.plan.Layers = append(b.plan.Layers, l)
	return Linear{layer: len(b.plan.Layers) - 1, in: l.Cols(), out: l.Rows()}
}

// Parameter declares a small tensor that is used as it is, such as positions.
func (b *Builder) Parameter(name string, shape ...int) Parameter {
	b.claim(name, len(shape) > 0, shape)
	b.plan.Vectors = append(b.plan.Vectors, Vector{Name: name, Shape: shape})
	return Parameter{vector: len(b.plan.Vectors) - 1}
}

// LayerNorm declares a layer norm of rows of width values.
func (b *Builder) LayerNorm(name string, width int, eps float32) LayerNorm {
	return LayerNorm{
		weight: b.Parameter(name+weightSuffix, width),
		bias:   b.Parameter(name+biasSuffix, width),
		width:  width,
		eps:    eps,
	}
}

// Head declares a linear layer of in inputs that each variant has for itself, with an
// output for each of the variant's labels.
func (b *Builder) Head(name string, bias bool, in int) Head {
	h := head{weight: b.private(name+weightSuffix, in), bias: -1}
	if bias {
		h.bias = b.private(name + biasSuffix)
	}
	b.plan.heads = append(b.plan.heads, h)
	return Head{index: len(b.plan.heads) - 1, in: in}
}

// private declares a tensor with one row for each label.
func (b *Builder) private(name string, row ...int) int {
	b.claim(name, true, row)
	b.plan.Private = append(b.plan.Private, Private{Name: name, Shape: append([]int{-1}, row...)})
	return len(b.plan.Private) - 1
}

// claim records what is wrong with a tensor's name, rank or shape.
func (b *Builder) claim(name string, rankFits bool, shape []int) {
	fits := rankFits
	n := 1
	for _, d := range shape {
		if d < 1 || d > maxSlabLen/n {
			fits = false
			break
		}
		n *= d
	}
	b.len += n
	switch {
	case b.seen[name]:
		b.errs = append(b.errs, fmt.Errorf("declare %q: %w: declared twice", name, ErrPlan))
	case !fits:
		b.errs = append(b.errs, fmt.Errorf("declare %q: %w: shape %v", name, ErrPlan, shape))
	}
	b.seen[name] = true
}
