package store

import (
	"fmt"
	"iter"
	"slices"
)

// Layer is one shared linear layer of a family: one or more weight matrices of the
// checkpoint stacked by rows, with their biases.
type Layer struct {
	Name string `json:"name"`
	// Parts are the names of the stacked tensors without their suffix: each part has a
	// ".weight" of shape Shape and, with Bias, a ".bias" of length Shape[0].
	Parts []string `json:"parts"`
	// Shape is that of one part's weight in the checkpoint: [out, in], or
	// [out, channels, height, width] for a patch convolution.
	Shape []int `json:"shape"`
	Bias  bool  `json:"bias"`
}

// Rows returns m, the number of outputs of all parts together.
func (l Layer) Rows() int { return len(l.Parts) * l.Shape[0] }

// Cols returns n, the number of inputs: the length of one flattened row of a weight.
func (l Layer) Cols() int { return product(l.Shape[1:]) }

// Width returns the number of columns of Ŵ = [W b]: n+1, or n without a bias.
func (l Layer) Width() int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// Parameters returns the number of elements of Ŵ.
func (l Layer) Parameters() int { return l.Rows() * l.Width() }

// Vector is a small shared tensor without two weight modes: a norm's weight or bias, a
// class token, positions.
type Vector struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// Len returns the number of elements.
func (v Vector) Len() int { return product(v.Shape) }

// Layout lists the tensors that the variants of a family share, in the order in which
// coefficients are coded: the layers, then the vectors.
type Layout struct {
	Layers  []Layer  `json:"layers"`
	Vectors []Vector `json:"vectors"`
}

// Parameters returns the number of shared elements.
func (l Layout) Parameters() int {
	n := 0
	for _, x := range l.Layers {
		n += x.Parameters()
	}
	for _, x := range l.Vectors {
		n += x.Len()
	}
	return n
}

// Tensors returns the number of coded tensors. Each has one gain.
func (l Layout) Tensors() int { return len(l.Layers) + len(l.Vectors) }

// Stored ranges over the shared tensors as a checkpoint stores them, by name and shape.
func (l Layout) Stored() iter.Seq2[string, []int] {
	return func(yield func(string, []int) bool) {
		for _, x := range l.Layers {
			for _, p := range x.Parts {
				if !yield(p+".weight", x.Shape) || x.Bias && !yield(p+".bias", x.Shape[:1]) {
					return
				}
			}
		}
		for _, x := range l.Vectors {
			if !yield(x.Name, x.Shape) {
				return
			}
		}
	}
}

// Shared reports whether a tensor of a checkpoint is shared.
func (l Layout) Shared(tensor string) bool {
	for name := range l.Stored() {
		if name == tensor {
			return true
		}
	}
	return false
}

// Equal reports whether two layouts list the same tensors, with the same shapes, in the
// same order.
func (l Layout) Equal(o Layout) bool {
	return slices.EqualFunc(l.Layers, o.Layers, func(a, b Layer) bool {
		return a.Name == b.Name && a.Bias == b.Bias && slices.Equal(a.Parts, b.Parts) && slices.Equal(a.Shape, b.Shape)
	}) && slices.EqualFunc(l.Vectors, o.Vectors, func(a, b Vector) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	})
}

// Limits of a layout that is read from a file. They keep products of dimensions from
// overflowing and bound what is allocated.
const (
	maxDim   = 1 << 24
	maxParts = 64
)

func (l Layout) check() error {
	if l.Tensors() == 0 {
		return fmt.Errorf("%w: it shares no tensor", ErrFormat)
	}
	for _, x := range l.Layers {
		if len(x.Parts) == 0 || len(x.Parts) > maxParts || len(x.Shape) < 2 || !isShape(x.Shape) {
			return fmt.Errorf("%w: layer %q has %d parts of shape %v", ErrFormat, x.Name, len(x.Parts), x.Shape)
		}
	}
	for _, x := range l.Vectors {
		if !isShape(x.Shape) {
			return fmt.Errorf("%w: vector %q has shape %v", ErrFormat, x.Name, x.Shape)
		}
	}
	return l.checkNames()
}

// checkNames returns an error if two layers or vectors have one name, in the basis or in
// the checkpoint.
func (l Layout) checkNames() error {
	seen := map[string]bool{}
	again := func(name string) bool {
		was := seen[name]
		seen[name] = true
		return was
	}
	for _, x := range l.Layers {
		if x.Name == "" || again(x.Name) {
			return fmt.Errorf("%w: layer %q is listed twice, or has no name", ErrFormat, x.Name)
		}
	}
	for _, x := range l.Vectors {
		if x.Name == "" || again(x.Name) {
			return fmt.Errorf("%w: vector %q is listed twice, or has no name", ErrFormat, x.Name)
		}
	}
	clear(seen)
	for name := range l.Stored() {
		if again(name) {
			return fmt.Errorf("%w: shared tensor %q is listed twice", ErrFormat, name)
		}
	}
	return nil
}

// isShape reports whether a shape is not empty and within the limits.
func isShape(shape []int) bool {
	n := 1
	for _, d := range shape {
		if d <= 0 || d > maxDim {
			return false
		}
		if n *= d; n > 1<<31 {
			return false
		}
	}
	return len(shape) > 0
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
