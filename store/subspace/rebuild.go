package subspace

import (
	"fmt"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/code"
)

// Rebuild gives a variant's shared tensors as dense float32, under their
// checkpoint names, and hands each to put with its shape. Exact tensors are
// taken as they came.
func Rebuild(b *store.Basis, v *store.Variant, put func(tensor string, shape []int, values []float32)) error {
	var failed error
	emit := func(tensor string, shape []int, values []float32) {
		if t, ok := v.Exact[tensor]; ok {
			if err := t.Float32(values); err != nil && failed == nil {
				failed = fmt.Errorf("exact tensor %q: %w", tensor, err)
			}
		}
		put(tensor, shape, values)
	}
	err := Visit(b, v, func(i int, s *code.Sparse) error {
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
		addDelta(w, left, right, spread(s, p, q, v.Step), p, q)
		splitLayer(l.Layer, w, emit)
		return nil
	}, func(i int, q []int32) error {
		x := &b.Vectors[i]
		emit(x.Name, x.Shape, vectorOf(x, q, v.Step))
		return nil
	})
	if err != nil {
		return err
	}
	return failed
}

// Mean hands the family's mean model to put: the null with no coefficients.
func Mean(b *store.Basis, put func(tensor string, shape []int, values []float32)) error {
	for i := range b.Layers {
		w, err := meanOf(&b.Layers[i])
		if err != nil {
			return err
		}
		splitLayer(b.Layers[i].Layer, w, put)
	}
	for i := range b.Vectors {
		put(b.Vectors[i].Name, b.Vectors[i].Shape, append([]float32(nil), b.Vectors[i].Mean...))
	}
	return nil
}

// directions gives L (m,p) and R (q,width).
func directions(l *store.BasisLayer) (left, right []float32, err error) {
	left, right = make([]float32, l.Left.Len()), make([]float32, l.Right.Len())
	if err := l.Left.Float32(left); err != nil {
		return nil, nil, err
	}
	return left, right, l.Right.Float32(right)
}

// addDelta adds L·coreᵀ·R to w (m,width); core is (q,p).
func addDelta(w, left, right, core []float32, p, q int) {
	m, width := len(left)/p, len(right)/q
	t := make([]float32, m*q)
	kernel.Gemm(false, true, m, q, p, left, p, core, p, t, q, false)
	kernel.Gemm(false, false, m, width, q, t, q, right, width, w, width, true)
}

// spread makes a dense core (q,p) of a sparse one, times the step.
func spread(s *code.Sparse, p, q int, step float64) []float32 {
	c := make([]float32, q*p)
	for k, j := range s.Rights {
		for at := s.Starts[k]; at < s.Starts[k+1]; at++ {
			c[int(j)*p+int(s.Lefts[at])] = float32(float64(s.Q[at]) * step)
		}
	}
	return c
}

func vectorOf(x *store.BasisVector, q []int32, step float64) []float32 {
	v := make([]float32, len(q))
	for i := range v {
		v[i] = x.Mean[i] + x.Scale[i]*float32(float64(q[i])*step)
	}
	return v
}
