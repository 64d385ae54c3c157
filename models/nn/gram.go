package nn

import "eigenserve/runtime/kernel"

// half is the upper half of a symmetric (n,n), row by row, each from its diagonal
// on.
type half struct {
	n int
	v []float32
}

func newHalf(n int) half { return half{n, make([]float32, halfLen(n))} }

func halfLen(n int) int { return n * (n + 1) / 2 }

// over divides by a count, in memory of its own.
func (h half) over(count int) []float32 {
	out := make([]float32, len(h.v))
	for i, x := range h.v {
		out[i] = x / float32(max(count, 1))
	}
	return out
}

// gram sums up products of matrices with themselves; what it holds is scratch.
type gram struct{ turned, panels, product []float32 }

// gramRows of a product are computed at once; a multiple of a panel.
const gramRows = 8 * kernel.Panel

// add adds the upper half of xᵀx of an x (rows,n).
func (g *gram) add(sum half, x []float32, rows int) {
	if rows == 0 {
		return
	}
	n := sum.n
	g.turned, g.panels = sized(g.turned, n*rows), sized(g.panels, kernel.PackedLen(n, rows))
	g.product = sized(g.product, gramRows*n)
	transpose(g.turned, x, rows, n)
	kernel.Pack(g.panels, g.turned, rows, n, rows)
	rest := sum.v
	for from := 0; from < n; from += gramRows {
		count, wide := min(gramRows, n-from), n-from
		kernel.MatMul(g.product, wide, g.turned[from*rows:], rows, count,
			kernel.Weights{N: wide, K: rows, Panels: g.panels[from*rows:]}, kernel.Epilogue{})
		for r := range count {
			kernel.Add(rest[:wide-r], g.product[r*wide+r:(r+1)*wide])
			rest = rest[wide-r:]
		}
	}
}

func sized(v []float32, n int) []float32 {
	if cap(v) < n {
		return make([]float32, n)
	}
	return v[:n]
}

// transpose writes the transpose of x (rows,n) to dst, in squares, so that
// neither side's cache lines are left half used.
func transpose(dst, x []float32, rows, n int) {
	const square = 16
	for r0 := 0; r0 < rows; r0 += square {
		for c0 := 0; c0 < n; c0 += square {
			for r := r0; r < min(r0+square, rows); r++ {
				for c := c0; c < min(c0+square, n); c++ {
					dst[c*rows+r] = x[r*n+c]
				}
			}
		}
	}
}
