package subspace

import "eigenserve/runtime/kernel"

// gramRows is the number of rows that are multiplied at once, a multiple of a panel.
const gramRows = 8 * kernel.Panel

// addGram adds the upper half of aaᵀ, for a (rows,cols), to the upper half of sum
// (rows,rows). The product is in float32, the sum in float64. It does not compute the lower
// half of the product, except in the blocks on the diagonal.
func (f *layerFit) addGram(sum []float64, a []float32, rows, cols int) {
	f.panels, f.products = resized(f.panels, kernel.PackedLen(rows, cols)), resized(f.products, rows*rows)
	kernel.Pack(f.panels, a, cols, rows, cols)
	for r := 0; r < rows; r += gramRows {
		kernel.MatMul(f.products[r*rows+r:], rows, a[r*cols:], cols, min(gramRows, rows-r),
			kernel.Weights{N: rows - r, K: cols, Panels: f.panels[r*cols:]}, kernel.Epilogue{})
	}
	// The r-th rows from both ends have the same total length for all r.
	inParallel((rows+1)/2, func(from, to int) {
		for r := from; r < to; r++ {
			addRow(sum, f.products, r, rows)
			if other := rows - 1 - r; other != r {
				addRow(sum, f.products, other, rows)
			}
		}
	})
}

// addRow adds row r of products to sum, from the diagonal on.
func addRow(sum []float64, products []float32, r, n int) {
	to := sum[r*n+r : (r+1)*n]
	for i, x := range products[r*n+r : (r+1)*n] {
		to[i] += float64(x)
	}
}
