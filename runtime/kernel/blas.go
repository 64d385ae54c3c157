package kernel

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/tensor"
)

// BLAS returns gonum's BLAS with its single-precision matrix product replaced by
// Gemm, for tensor.Use.
func BLAS() tensor.BLAS { return blasWithGemm{} }

type blasWithGemm struct{ gonum.Implementation }

// Sgemm computes C = alpha·op(A)·op(B) + beta·C. Gemm does the scalings that tensor
// uses, alpha 1 with beta 0 or 1; gonum does the others.
func (g blasWithGemm) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if alpha != 1 || beta != 0 && beta != 1 || k == 0 {
		g.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	Gemm(Op(tA != blas.NoTrans), Op(tB != blas.NoTrans), m, n, k, a, lda, b, ldb, c, ldc, beta == 1)
}
