package kernel

// Op says whether Gemm transposes a factor: op(X) is X or Xᵀ.
type Op bool

const (
	NoTrans Op = false
	Trans   Op = true
)

// Gemm computes C = op(A)·op(B), or with accumulate C += op(A)·op(B), on row-major
// matrices: op(A) is (m, k), op(B) is (k, n), C is (m, n). lda, ldb and ldc are the
// row strides of the matrices as stored, before op. Gemm packs B, and so allocates:
// it is for large products outside a forward pass.
func Gemm(opA, opB Op, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, accumulate bool) {
	if m <= 0 || n <= 0 {
		return
	}
	w := Weights{N: n, K: k, Panels: make([]float32, PackedLen(n, k))}
	if opB == Trans {
		Pack(w.Panels, b, ldb, n, k)
	} else {
		checkMatrix("Gemm: B", len(b), ldb, k, n)
		packTransposed(w.Panels, b, ldb, n, k)
	}
	if opA == Trans {
		checkMatrix("Gemm: A", len(a), lda, k, m)
		t := make([]float32, m*k)
		transpose(t, a, lda, k, m)
		a, lda = t, k
	}
	MatMul(c, ldc, a, lda, m, w, Epilogue{Accumulate: accumulate})
}
