package store

import (
	"fmt"
	"slices"
)

// Layer is one shared linear layer of a family: one or more weight matrices of
// the checkpoint, stacked by rows, with their biases.
type Layer struct {
	Name string `json:"name"`
	// Parts are the stems of the stacked tensors: each has a ".weight" of
	// shape Shape and, with Bias, a ".bias" of length Shape[0].
	Parts []string `json:"parts"`
	// Shape of one part's weight in the checkpoint: [out, in], or
	// [out, channels, height, width] of a patch convolution.
	Shape []int `json:"shape"`
	Bias  bool  `json:"bias"`
}

// Rows is m, the outputs of all parts together.
func (l Layer) Rows() int { return len(l.Parts) * l.Shape[0] }

// Cols is n, the inputs: one row of a part's weight, flattened.
func (l Layer) Cols() int { return product(l.Shape[1:]) }

// Width is the columns of Ŵ = [W b]: n+1, or n without a bias.
func (l Layer) Width() int {
	if l.Bias {
		return l.Cols() + 1
	}
	return l.Cols()
}

// Parameters counts the layer's numbers.
func (l Layer) Parameters() int { return l.Rows() * l.Width() }

// Vector is a small shared tensor that has no two weight modes: a norm's
// weight or bias, a class token, positions.
type Vector struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// Len counts the vector's numbers.
func (v Vector) Len() int { return product(v.Shape) }

// Layout lists what the variants of a family share, in the order in which
// coefficients are coded: the layers, then the vectors.
type Layout struct {
	Layers  []Layer  `json:"layers"`
	Vectors []Vector `json:"vectors"`
}

// Parameters counts the shared numbers.
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

// Tensors counts the coded tensors: one gain each.
func (l Layout) Tensors() int { return len(l.Layers) + len(l.Vectors) }

// Shared tells whether a checkpoint's tensor belongs to the shared ones.
func (l Layout) Shared(tensor string) bool {
	for _, x := range l.Layers {
		for _, p := range x.Parts {
			if tensor == p+".weight" || x.Bias && tensor == p+".bias" {
				return true
			}
		}
	}
	return slices.ContainsFunc(l.Vectors, func(v Vector) bool { return v.Name == tensor })
}

// Equal tells whether two layouts name the same tensors of the same shapes in
// the same order.
func (l Layout) Equal(o Layout) bool {
	return slices.EqualFunc(l.Layers, o.Layers, func(a, b Layer) bool {
		return a.Name == b.Name && a.Bias == b.Bias && slices.Equal(a.Parts, b.Parts) && slices.Equal(a.Shape, b.Shape)
	}) && slices.EqualFunc(l.Vectors, o.Vectors, func(a, b Vector) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	})
}

// maxDim bounds one dimension of a layout read from a file, so that no product
// of two overflows and no allocation is made from a number nobody checked.
const maxDim = 1 << 24

func (l Layout) check() error {
	seen := map[string]bool{}
	once := func(name string) error {
		if name == "" || seen[name] {
			return fmt.Errorf("%w: %q stands twice, or is empty", ErrFormat, name)
		}
		seen[name] = true
		return nil
	}
	for _, x := range l.Layers {
		if err := once(x.Name); err != nil {
			return err
		}
		if len(x.Parts) == 0 || len(x.Parts) > 64 || len(x.Shape) < 2 || !dims(x.Shape) {
			return fmt.Errorf("%w: layer %q has %d parts of shape %v", ErrFormat, x.Name, len(x.Parts), x.Shape)
		}
	}
	for _, x := range l.Vectors {
		if err := once(x.Name); err != nil {
			return err
		}
		if !dims(x.Shape) {
			return fmt.Errorf("%w: vector %q has shape %v", ErrFormat, x.Name, x.Shape)
		}
	}
	return nil
}

func dims(shape []int) bool {
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
