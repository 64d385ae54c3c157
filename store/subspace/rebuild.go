package subspace

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
)

// Put receives one tensor of a rebuilt or mean model: its name in the checkpoint, and its
// values in float32, which it may keep.
type Put = func(name string, t *tensor.Dense)

// Rebuild calls put with each shared tensor of a variant. Exact tensors have their stored
// values.
func Rebuild(b *store.Basis, v *store.Variant, put Put) error {
	var failed error
	emit := func(name string, t *tensor.Dense) {
		if exact, ok := v.Exact[name]; ok {
			if err := exact.Float32(t.Float32s()); err != nil && failed == nil {
				failed = fmt.Errorf("exact tensor %q: %w", name, err)
			}
		}
		put(name, t)
	}
	err := Visit(b, v, func(i int, s *rans.Sparse) error {
		l := &b.Layers[i]
		w, err := meanOf(l)
		if err != nil {
			return err
		}
		left, right, err := directions(l)
		if err != nil {
			return err
		}
		p, q := l.Directions()
		if err := addDelta(w, left, right, spread(s, p, q, v.Step), p, q); err != nil {
			return err
		}
		splitLayer(l.Layer, w, emit)
		return nil
	}, func(i int, q []int32) error {
		x := &b.Vectors[i]
		emit(x.Name, dense32(x.Shape, vectorOf(x, q, v.Step)))
		return nil
	})
	if err != nil {
		return err
	}
	return failed
}

// Mean calls put with each shared tensor of the family's mean.
func Mean(b *store.Basis, put Put) error {
	for i := range b.Layers {
		w, err := meanOf(&b.Layers[i])
		if err != nil {
			return err
		}
		splitLayer(b.Layers[i].Layer, w, put)
	}
	for i := range b.Vectors {
		put(b.Vectors[i].Name, dense32(b.Vectors[i].Shape, slices.Clone(b.Vectors[i].Mean)))
	}
	return nil
}

// directions returns L (m,p) and R (q,width) in float32.
func directions(l *store.BasisLayer) (left, right []float32, err error) {
	left, right = make([]float32, l.Left.Len()), make([]float32, l.Right.Len())
	if err := l.Left.Float32(left); err != nil {
		return nil, nil, err
	}
	return left, right, l.Right.Float32(right)
}

// addDelta adds L·coreᵀ·R to w (m,width), for core (q,p).
func addDelta(w, left, right, core []float32, p, q int) error {
	m, width := len(left)/p, len(right)/q
	c := dense32([]int{q, p}, core)
	if err := c.T(); err != nil {
		return err
	}
	lc, err := tensor.MatMul(dense32([]int{m, p}, left), c)
	if err != nil {
		return err
	}
	_, err = tensor.MatMul(lc, dense32([]int{q, width}, right), tensor.WithIncr(dense32([]int{m, width}, w)))
	return err
}

// dense32 returns a tensor of values, without copying them.
func dense32(shape []int, values []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// Tensors are multiplied with the kernels of runtime/kernel.
func init() { tensor.Use(kernel.BLAS()) }

// spread returns the dense core (q,p) of a sparse one, times the step.
func spread(s *rans.Sparse, p, q int, step float64) []float32 {
	c := make([]float32, q*p)
	for k, j := range s.Rights {
		for at := s.Starts[k]; at < s.Starts[k+1]; at++ {
			c[int(j)*p+int(s.Lefts[at])] = float32(float64(s.Q[at]) * step)
		}
	}
	return c
}

// vectorOf returns the vector with coefficients q.
func vectorOf(x *store.BasisVector, q []int32, step float64) []float32 {
	v := make([]float32, len(q))
	for i := range v {
		v[i] = x.Mean[i] + x.Scale[i]*float32(float64(q[i])*step)
	}
	return v
}
