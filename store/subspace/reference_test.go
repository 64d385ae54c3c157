package subspace_test

import (
	"testing"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// memberOf returns the checkpoint with the given coefficients, cores (q,p) of the layers and a
// slice for each vector. It evaluates the formula in float64, element by element.
func memberOf(t testing.TB, b *store.Basis, cores, vectors [][]float64) *memory {
	t.Helper()
	m := &memory{name: "reference", tensors: map[string][]float32{}}
	for i := range b.Layers {
		l := &b.Layers[i]
		mean, left, right := doubles(t, l.Mean), doubles(t, l.Left), doubles(t, l.Right)
		p, q := l.Directions()
		at := func(row, col int) float64 {
			var x float64
			if col < l.Cols() {
				x = mean[row*l.Cols()+col]
			} else {
				x = float64(l.Bias[row])
			}
			for j := range q {
				for k := range p {
					x += left[row*p+k] * cores[i][j*p+k] * right[j*l.Width()+col]
				}
			}
			return x
		}
		rows := l.Shape[0]
		for part, name := range l.Parts {
			for row := range rows {
				for col := range l.Cols() {
					m.tensors[name+".weight"] = append(m.tensors[name+".weight"], float32(at(part*rows+row, col)))
				}
				if l.Layer.Bias {
					m.tensors[name+".bias"] = append(m.tensors[name+".bias"], float32(at(part*rows+row, l.Cols())))
				}
			}
		}
	}
	for i, v := range b.Vectors {
		for k, x := range vectors[i] {
			m.tensors[v.Name] = append(m.tensors[v.Name], float32(float64(v.Mean[k])+float64(v.Scale[k])*x))
		}
	}
	return m
}

func doubles(t testing.TB, x tensorfile.Tensor) []float64 {
	t.Helper()
	v := make([]float64, x.Len())
	if err := x.Float64(v); err != nil {
		t.Fatal(err)
	}
	return v
}
