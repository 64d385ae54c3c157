package runtime

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// rebuild fills a slab with a variant's weights, for each layer in one pass from
// mean, directions and core to packed weights. Its stream is read beside, a few
// layers ahead, so that no core waits for that.
func (f *family) rebuild(v *store.Variant, slab []float32) (*nn.Weights, error) {
	if f.loadDense != nil {
		return f.load(v, slab)
	}
	return f.rebuildBy(f.read, f.plan, v, slab)
}

// rebuildShared is rebuild without the heads, in the precision of a plan of the
// architecture.
func (f *family) rebuildShared(plan *nn.Plan, v *store.Variant, slab []float32) (*nn.Weights, error) {
	return f.rebuildBy(f.readShared, plan, v, slab)
}

// variantReader decodes a variant: each layer's core, times the step, goes to
// layer, all else into w.
type variantReader func(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error

func (f *family) rebuildBy(read variantReader, plan *nn.Plan, v *store.Variant, slab []float32) (*nn.Weights, error) {
	defer goruntime.KeepAlive(f)
	const ahead = 4
	w, cores, done := plan.Bind(slab), make(chan kernel.Core, ahead), make(chan error, 1)
	go func() {
		defer close(cores)
		done <- recovered(func() error { return read(v, &w, func(_ int, c kernel.Core) { cores <- c }) })
	}()
	defer func() { // the reader writes to the slab: nothing ends before it
		for range cores {
		}
	}()
	s := rebuildScratch.Get().(*scratch)
	defer rebuildScratch.Put(s)
	i := 0
	for core := range cores {
		l := &f.layers[i]
		w.Layers[i].Rebuild(l, &core, s.floats(kernel.RebuildScratch(l)))
		if err := f.putExact(i, &w.Layers[i], v); err != nil {
			return nil, err
		}
		i++
	}
	return &w, <-done
}

// recovered makes a panic an error, so that on a goroutine of its own it ends
// no more than the work.
func recovered(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stack := make([]byte, 4<<10)
			err = Errorf(Internal, "panic: %v\n%s", p, stack[:goruntime.Stack(stack, false)])
		}
	}()
	return work()
}

// read is a variantReader that gives w its heads as well.
func (f *family) read(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error {
	if err := f.readShared(v, w, layer); err != nil {
		return err
	}
	return f.bindHeads(w, v)
}

// readShared is a variantReader of what the family shares: layers and vectors.
func (f *family) readShared(v *store.Variant, w *nn.Weights, layer func(i int, c kernel.Core)) error {
	return subspace.Visit(f.basis, v, func(i int, c *rans.Sparse) error {
		layer(i, coreOf(c, v.Step))
		return nil
	}, func(i int, q []int32) error { return f.vector(w.Vectors[i], v, i, q) })
}

// coreOf is a copy of a decoded core, times the step.
func coreOf(c *rans.Sparse, step float64) kernel.Core {
	values := make([]float32, len(c.Q))
	for i, q := range c.Q {
		values[i] = float32(float64(q) * step)
	}
	return kernel.Core{Rights: slices.Clone(c.Rights), Starts: slices.Clone(c.Starts), Lefts: slices.Clone(c.Lefts), Values: values}
}

// vector fills dst with a variant's i-th vector.
func (f *family) vector(dst []float32, v *store.Variant, i int, q []int32) error {
	b := &f.basis.Vectors[i]
	for k := range q {
		dst[k] = b.Mean[k] + b.Scale[k]*float32(float64(q[k])*v.Step)
	}
	if t, ok := v.Exact[b.Name]; ok {
		return t.Float32(dst)
	}
	return nil
}

// bindHeads packs a variant's private tensors, of which each output has a label.
func (f *family) bindHeads(w *nn.Weights, v *store.Variant) error {
	tensors, err := f.private(v)
	if err != nil {
		return err
	}
	if err := f.plan.BindPrivate(w, readerOf(tensors)); err != nil {
		return err
	}
	for _, head := range w.Heads {
		if head.Outputs() != len(v.Labels) {
			return fmt.Errorf("%w: %d labels for a head of %d outputs", store.ErrFormat, len(v.Labels), head.Outputs())
		}
	}
	return nil
}

// readerOf reads a variant's private tensors for the plan.
func readerOf(tensors map[string]tensorfile.Tensor) func(name string) ([]float32, []int, error) {
	return func(name string) ([]float32, []int, error) {
		t, ok := tensors[name]
		if !ok {
			return nil, nil, fmt.Errorf("%w: private tensor %q is missing", store.ErrFormat, name)
		}
		values := make([]float32, t.Len())
		return values, t.Shape, t.Float32(values)
	}
}

// headBytes is what BindPrivate will take, so that it can be charged before.
func (f *family) headBytes(v *store.Variant) int64 {
	n := 0
	if len(v.Head) > 0 {
		h, labels := f.plan.Heads()[0], len(v.Labels)
		n = 4 * (kernel.PackedLen(labels, h.Inputs) + (headWidth(h)-h.Inputs)*labels)
	}
	for _, t := range v.Private {
		if len(t.Shape) == 2 {
			n += 4 * kernel.PackedLen(t.Shape[0], t.Shape[1])
		} else {
			n += 4 * t.Len()
		}
	}
	return int64(n)
}

// putExact lays the exact tensors of one layer over what was rebuilt.
func (f *family) putExact(i int, d *nn.Dense, v *store.Variant) error {
	if len(v.Exact) == 0 {
		return nil
	}
	l := f.plan.Layers[i]
	rows, n := l.Shape[0], d.Inputs()
	dense := make([]float32, d.Outputs()*n)
	d.Unpack(dense)
	put := func(t tensorfile.Tensor, ok bool, dst []float32) error {
		if !ok {
			return nil
		}
		return t.Float32(dst)
	}
	for k, part := range l.Parts {
		weight, hasWeight := v.Exact[part+".weight"]
		if err := put(weight, hasWeight, dense[k*rows*n:(k+1)*rows*n]); err != nil {
			return err
		}
		if l.Bias {
			bias, hasBias := v.Exact[part+".bias"]
			if err := put(bias, hasBias, d.Bias[k*rows:(k+1)*rows]); err != nil {
				return err
			}
		}
	}
	d.Pack(dense)
	return nil
}

// scratch is the memory of one rebuild, used again by the next.
type scratch struct{ work []float32 }

var rebuildScratch = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) floats(n int) []float32 {
	if cap(s.work) < n {
		s.work = make([]float32, n)
	}
	return s.work[:n]
}
