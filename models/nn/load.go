package nn

import (
	"errors"
	"fmt"
	"slices"

	"eigenserve/runtime/kernel"
)

// ErrShape marks a private tensor that does not fit its head.
var ErrShape = errors.New("wrong shape")

// Load fills a slab from a dense checkpoint, with no basis in between. read
// fills dst, whose length is that of the tensor's shape in Specs, with the named
// tensor. The first error ends it and leaves the slab in part filled.
func (p *Plan) Load(slab []float32, read func(name string, dst []float32) error) error {
	w := p.Bind(slab)
	var stacked []float32
	for i, l := range p.Layers {
		d := w.Layers[i]
		n := l.Rows() * l.Cols()
		stacked = slices.Grow(stacked[:0], n)[:n]
		if err := readParts(l, stacked, d.Bias, read); err != nil {
			return err
		}
		d.Pack(stacked)
	}
	for i, v := range p.Vectors {
		if err := read(v.Name, w.Vectors[i]); err != nil {
			return fmt.Errorf("nn: load vector %q: %w", v.Name, err)
		}
	}
	return nil
}

// readParts reads the parts of a layer into weight (rows, cols) and bias (rows).
func readParts(l Layer, weight, bias []float32, read func(string, []float32) error) error {
	rows, cols := l.Shape[0], l.Cols()
	for i, part := range l.Parts {
		if err := read(part+weightSuffix, weight[i*rows*cols:(i+1)*rows*cols]); err != nil {
			return fmt.Errorf("nn: load layer %q: %w", l.Name, err)
		}
		if !l.Bias {
			continue
		}
		if err := read(part+biasSuffix, bias[i*rows:(i+1)*rows]); err != nil {
			return fmt.Errorf("nn: load layer %q: %w", l.Name, err)
		}
	}
	return nil
}

// BindPrivate packs a variant's private tensors into w.Heads, in memory of their
// own: they outlive the slab, w.PrivateBytes says what they take, and the same
// heads may be assigned to other Weights of the plan. read gives a tensor's
// values and shape; the values are copied. A tensor whose shape does not fit, or
// whose number of labels differs from the others of its head, gives ErrShape.
func (p *Plan) BindPrivate(w *Weights, read func(name string) (values []float32, shape []int, err error)) error {
	heads := make([]Dense, len(p.heads))
	for i, h := range p.heads {
		weight, shape, err := readPrivate(p.Private[h.weight], read)
		if err != nil {
			return err
		}
		n, k := shape[0], size(shape[1:])
		heads[i].set(Float32, n, k, make([]float32, kernel.PackedLen(n, k)))
		heads[i].Pack(weight)
		if h.bias < 0 {
			continue
		}
		bias, shape, err := readPrivate(p.Private[h.bias], read)
		if err != nil {
			return err
		}
		if shape[0] != n {
			return fmt.Errorf("nn: bind %q: %w: %d labels where the weight has %d",
				p.Private[h.bias].Name, ErrShape, shape[0], n)
		}
		heads[i].Bias = slices.Clone(bias)
	}
	w.Heads = heads
	return nil
}

// readPrivate reads one private tensor and holds its shape against the plan's.
func readPrivate(t Private, read func(string) ([]float32, []int, error)) ([]float32, []int, error) {
	values, shape, err := read(t.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("nn: bind %q: %w", t.Name, err)
	}
	fits := len(shape) == len(t.Shape) && shape[0] > 0
	for i := range shape {
		fits = fits && (shape[i] == t.Shape[i] || t.Shape[i] == -1)
	}
	if !fits || size(shape) != len(values) {
		return nil, nil, fmt.Errorf("nn: bind %q: %w: %v with %d values, want %v",
			t.Name, ErrShape, shape, len(values), t.Shape)
	}
	return values, shape, nil
}
