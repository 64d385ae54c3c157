package nn

import (
	"errors"
	"fmt"
	"slices"

	"eigenserve/runtime/kernel"
)

// ErrShape is the error for a private tensor that does not fit its head.
var ErrShape = errors.New("wrong shape")

// Load fills a slab from a dense checkpoint. read fills dst, whose length is that of
// the tensor's shape in Specs, with the named tensor. Load stops at the first error
// and leaves the slab partly filled.
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
			return fmt.Errorf("load vector %q: %w", v.Name, err)
		}
	}
	return nil
}

// readParts reads the parts of a layer into weight (rows, cols) and bias (rows).
func readParts(l Layer, weight, bias []float32, read func(string, []float32) error) error {
	rows, cols := l.Shape[0], l.Cols()
	for i, part := range l.Parts {
		if err := read(part+weightSuffix, weight[i*rows*cols:(i+1)*rows*cols]); err != nil {
			return fmt.Errorf("load layer %q: %w", l.Name, err)
		}
		if !l.Bias {
			continue
		}
		if err := read(part+biasSuffix, bias[i*rows:(i+1)*rows]); err != nil {
			return fmt.Errorf("load layer %q: %w", l.Name, err)
		}
	}
	return nil
}

// BindPrivate packs a variant's private tensors into w.Heads. Heads have their own
// memory: they outlive the slab, and may be assigned to other Weights of the plan.
// read returns a tensor's values, which BindPrivate copies, and its shape. BindPrivate
// returns an error that wraps ErrShape if a tensor's shape does not fit, or if the
// tensors of a head differ in their number of labels.
func (p *Plan) BindPrivate(w *Weights, read func(name string) (values []float32, shape []int, err error)) error {
	heads := make([]Dense, len(p.heads))
	for i, h := range p.heads {
		weight, shape, err := readPrivate(p.Private[h.weight], read)
		if err != nil {
			return err
		}
		n, k := shape[0], size(shape[1:])
		heads[i].bind(Float32, n, k, make([]float32, kernel.PackedLen(n, k)))
		heads[i].Pack(weight)
		if h.bias < 0 {
			continue
		}
		bias, shape, err := readPrivate(p.Private[h.bias], read)
		if err != nil {
			return err
		}
		if shape[0] != n {
			return fmt.Errorf("bind %q: %w: %d labels where the weight has %d",
				p.Private[h.bias].Name, ErrShape, shape[0], n)
		}
		heads[i].Bias = slices.Clone(bias)
	}
	w.Heads = heads
	return nil
}

// readPrivate reads one private tensor and checks its shape.
func readPrivate(t Private, read func(string) ([]float32, []int, error)) ([]float32, []int, error) {
	values, shape, err := read(t.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("bind %q: %w", t.Name, err)
	}
	fits := len(shape) == len(t.Shape) && shape[0] > 0
	for i := range shape {
		fits = fits && (shape[i] == t.Shape[i] || t.Shape[i] == -1)
	}
	if !fits || size(shape) != len(values) {
		return nil, nil, fmt.Errorf("bind %q: %w: %v with %d values, want %v",
			t.Name, ErrShape, shape, len(values), t.Shape)
	}
	return values, shape, nil
}
