package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// factors are a matrix's singular vectors, each times the root of its singular value,
// largest first: left[k] (rows) and right[k] (cols).
type factors struct{ left, right [][]float32 }

// decomposed returns the factors of every matrix's delta, which it computes once.
func (f *family) decomposed(c *checkpointAt, deltas [][]float32) []factors {
	return c.compute("svd", func() any {
		out := make([]factors, len(f.tensors))
		for i, t := range f.tensors {
			if t.rows > 1 {
				out[i] = decompose(deltas[i], t.rows, t.cols)
			}
		}
		return out
	}).([]factors)
}

// decompose returns the factors of a matrix.
func decompose(d []float32, rows, cols int) factors {
	a := mat.NewDense(rows, cols, nil)
	for i, x := range d {
		a.Set(i/cols, i%cols, float64(x))
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		panic("no singular value decomposition")
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	var out factors
	for k, s := range svd.Values(nil) {
		left, right := make([]float32, rows), make([]float32, cols)
		for i := range left {
			left[i] = float32(u.At(i, k) * math.Sqrt(s))
		}
		for i := range right {
			right[i] = float32(v.At(i, k) * math.Sqrt(s))
		}
		out.left, out.right = append(out.left, left), append(out.right, right)
	}
	return out
}

// lowRank keeps the leading singular vectors of every matrix in 16 bits, as a LoRA that is
// extracted from a fine-tune does.
func lowRank(f *family) []coder {
	var out []coder
	for _, rank := range []int{1, 2, 4, 8, 16} {
		out = append(out, f.onDeltas("low rank", fmt.Sprintf("rank %d", rank), func(c *checkpointAt, deltas [][]float32) float64 {
			return f.products(c, deltas, []int{rank}, []int{16})
		}))
	}
	return out
}

// deltaCoMe keeps the first singular vectors in 8 bits, the next in 3 and the next in 2
// (Ping and others, arXiv:2406.08903), rounded for the least square error, without
// calibration data.
func deltaCoMe(f *family) []coder {
	var out []coder
	for _, n := range [][]int{{1, 0, 0}, {1, 2, 0}, {2, 6, 0}, {2, 6, 8}, {2, 16, 16}, {2, 32, 30}} {
		out = append(out, f.onDeltas("Delta-CoMe", fmt.Sprintf("%d+%d+%d at 8, 3, 2 bits", n[0], n[1], n[2]), func(c *checkpointAt, deltas [][]float32) float64 {
			return f.products(c, deltas, n, []int{8, 3, 2})
		}))
	}
	return out
}

// products replaces matrices by the products of their leading factors, counts[j] of them
// at bits[j] each.
func (f *family) products(c *checkpointAt, deltas [][]float32, counts, bits []int) float64 {
	all := f.decomposed(c, deltas)
	return f.matrices(deltas, func(i int, t tensor, d []float32) float64 {
		clear(d)
		total, from := 0.0, 0
		for j, n := range counts {
			for k := from; k < min(from+n, len(all[i].left)); k++ {
				left, right := stored(all[i].left[k], bits[j]), stored(all[i].right[k], bits[j])
				for r, a := range left {
					for s, b := range right {
						d[r*t.cols+s] += a * b
					}
				}
				total += float64(bits[j] * (t.rows + t.cols))
				if bits[j] < 16 {
					total += 32
				}
			}
			from += n
		}
		return total
	})
}

// stored returns a vector as it is read back from so many bits a number. 16 bits count as
// exact.
func stored(x []float32, bits int) []float32 {
	x = append([]float32(nil), x...)
	if bits < 16 {
		rounded(x, bits)
	}
	return x
}
