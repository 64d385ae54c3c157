package nn

import "eigenserve/runtime/kernel"

// upper is the upper triangle of a symmetric (n, n), row by row, each row from its
// diagonal on.
type upper struct {
	n      int
	values []float32
}

func newUpper(n int) upper { return upper{n, make([]float32, upperLen(n))} }

// upperLen returns the number of values of an upper triangle.
func upperLen(n int) int { return n * (n + 1) / 2 }

// mean returns a copy divided by a count.
func (u upper) mean(count int) []float32 {
	out := make([]float32, len(u.values))
	for i, x := range u.values {
		out[i] = x / float32(max(count, 1))
	}
	return out
}

// gram adds up products of matrices with themselves. It holds scratch alone.
type gram struct{ transposed, panels, product []float32 }

// gramRows is the number of rows of a product computed at once, a multiple of a panel.
const gramRows = 8 * kernel.Panel

// add adds the upper triangle of xᵀx, with x (rows, n), to sum.
func (g *gram) add(sum upper, x []float32, rows int) {
	if rows == 0 {
		return
	}
	n := sum.n
	g.transposed, g.panels = sized(g.transposed, n*rows), sized(g.panels, kernel.PackedLen(n, rows))
	g.product = sized(g.product, gramRows*n)
	kernel.Transpose(g.transposed, x, rows, n)
	kernel.Pack(g.panels, g.transposed, rows, n, rows)
	rest := sum.values
	for from := 0; from < n; from += gramRows {
		count, width := min(gramRows, n-from), n-from
		kernel.MatMul(g.product, width, g.transposed[from*rows:], rows, count,
			kernel.Weights{N: width, K: rows, Panels: g.panels[from*rows:]}, kernel.Epilogue{})
		for r := range count {
			kernel.Add(rest[:width-r], g.product[r*width+r:(r+1)*width])
			rest = rest[width-r:]
		}
	}
}

// sized returns v with length n, reallocated if it is too short. Its content is
// undefined.
func sized(v []float32, n int) []float32 {
	if cap(v) < n {
		return make([]float32, n)
	}
	return v[:n]
}
