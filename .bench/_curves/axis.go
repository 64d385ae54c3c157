package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// modelAxis takes whole tensors as vectors and keeps their coordinates in the leading
// components of the members' deltas: k numbers of 16 bits for each tensor. The family
// keeps the components, k models' worth.
func modelAxis(f *family) []coder {
	var all []axis
	var out []coder
	for _, k := range []int{4, 8, 16, 32, 64, 128} {
		if k >= len(f.members) {
			break
		}
		c := f.onDeltas("model axis", fmt.Sprintf("k = %d", k), func(_ *checkpointAt, deltas [][]float32) float64 {
			bits := 0.0
			for i := range f.tensors {
				all[i].project(deltas[i], k)
				bits += float64(16 * k)
			}
			return bits
		})
		c.shared = float64(1 + k)
		inner := c.code
		c.code = func(at *checkpointAt) (map[string][]float32, float64, error) {
			f.axes.Do(func() { f.components, f.failed = f.modelAxes(128) })
			all = f.components
			if f.failed != nil {
				return nil, 0, f.failed
			}
			return inner(at)
		}
		out = append(out, c)
	}
	return out
}

// axis holds one tensor's orthonormal components, largest first.
type axis struct{ components [][]float32 }

// project replaces a delta by its projection onto the first k components.
func (a axis) project(d []float32, k int) {
	out := make([]float32, len(d))
	for _, c := range a.components[:min(k, len(a.components))] {
		dot := 0.0
		for i, x := range c {
			dot += float64(x) * float64(d[i])
		}
		for i, x := range c {
			out[i] += float32(dot) * x
		}
	}
	copy(d, out)
}

// modelAxes returns at most so many leading components of every tensor. They come from
// the eigenvectors of the members' Gram matrix.
func (f *family) modelAxes(limit int) ([]axis, error) {
	n := len(f.members)
	out := make([]axis, len(f.tensors))
	for i, t := range f.tensors {
		z := mat.NewDense(n, t.rows*t.cols, nil)
		for r, c := range f.members {
			x, err := c.read(t.name)
			if err != nil {
				return nil, err
			}
			for k, m := range f.mean[i] {
				z.Set(r, k, float64(x[k]-m))
			}
		}
		gram := mat.NewSymDense(n, nil)
		gram.SymOuterK(1, z)
		var eigen mat.EigenSym
		if !eigen.Factorize(gram, true) {
			return nil, fmt.Errorf("tensor %q has no eigenvectors", t.name)
		}
		var vectors mat.Dense
		eigen.VectorsTo(&vectors)
		values := eigen.Values(nil)
		for k := n - 1; k >= 0 && len(out[i].components) < min(limit, t.rows*t.cols); k-- {
			if values[k] <= 1e-9*values[n-1] {
				break
			}
			var c mat.VecDense
			c.MulVec(z.T(), vectors.ColView(k))
			component := make([]float32, t.rows*t.cols)
			for j := range component {
				component[j] = float32(c.AtVec(j) / math.Sqrt(values[k]))
			}
			out[i].components = append(out[i].components, component)
		}
	}
	return out, nil
}
