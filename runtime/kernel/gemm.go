package kernel

// Gemm computes C = [C +] op(A)·op(B) on plain row-major matrices: op(A) is
// (m, k), op(B) (k, n), C (m, n), where op transposes if told to; lda, ldb and
// ldc are the row strides as the matrices lie. It packs, and so allocates: it
// is meant for large products outside a forward pass.
func Gemm(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	if m <= 0 || n <= 0 {
		return
	}
	w := Weights{N: n, K: k, Panels: make([]float32, PackedLen(n, k))}
	if transB {
		Pack(w.Panels, b, ldb, n, k)
	} else {
		checkMatrix("Gemm: B", len(b), ldb, k, n)
		packTransposed(w.Panels, b, ldb, n, k)
	}
	if transA {
		checkMatrix("Gemm: A", len(a), lda, k, m)
		a, lda = transposed(a, lda, k, m), k
	}
	MatMul(c, ldc, a, lda, m, w, Epilogue{Accumulate: accumulate})
}

// transposed returns the transpose of a (rows, cols), without gaps.
func transposed(a []float32, lda, rows, cols int) []float32 {
	t := make([]float32, rows*cols)
	// In squares, so that neither side's cache lines are left half used.
	const square = 16
	for r0 := 0; r0 < rows; r0 += square {
		for c0 := 0; c0 < cols; c0 += square {
			for r := r0; r < min(r0+square, rows); r++ {
				for c := c0; c < min(c0+square, cols); c++ {
					t[c*rows+r] = a[r*lda+c]
				}
			}
		}
	}
	return t
}
