package subspace

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"eigenserve/runtime/kernel"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// A full eigendecomposition of an n×n matrix costs some 9n³ operations, most of
// them one after the other: half a second at 768, minutes at 3072. Beyond small,
// when few of the directions are wanted, a randomised one costs
// 2(2+powers)·n²·k, nearly all in the project's own matmul.
const (
	small      = 512
	few        = 3  // k ≤ n/few is few
	oversample = 16 // columns beyond k
	powers     = 3  // power iterations
	drowned    = 1e-7
)

// errEigen marks an eigendecomposition that did not converge.
var errEigen = errors.New("the eigendecomposition failed")

// leading gives the k leading eigenvectors of the symmetric, positive
// semidefinite a (n,n), of which only the upper half is read, as the columns of an (n,k) matrix, and their eigenvalues,
// largest first. The sign of a vector is set so that its largest component is
// positive. What a holds is lost.
func leading(a []float64, n, k int) ([]float32, []float64, error) {
	for _, x := range a {
		if x-x != 0 {
			return nil, nil, fmt.Errorf("the second moments: %w: %g", ErrNotFinite, x)
		}
	}
	if n > small && k <= n/few {
		return randomised(a, n, k)
	}
	return full(a, n, k)
}

// full decomposes a in place: at a large layer a copy would be the most that a
// fit holds.
func full(a []float64, n, k int) ([]float32, []float64, error) {
	sym := blas64.Symmetric{N: n, Stride: n, Data: a, Uplo: blas.Upper}
	ascending, query := make([]float64, n), make([]float64, 1)
	lapack64.Syev(lapack.EVCompute, sym, ascending, query, -1)
	work := make([]float64, int(query[0]))
	if !lapack64.Syev(lapack.EVCompute, sym, ascending, work, len(work)) {
		return nil, nil, errEigen
	}
	vectors := mat.NewDense(n, n, a)
	out, values := make([]float32, n*k), make([]float64, k)
	for j := range k {
		from := n - 1 - j
		values[j] = max(ascending[from], 0)
		sign := signOf(vectors, from, n)
		for r := range n {
			out[r*k+j] = float32(sign * vectors.At(r, from))
		}
	}
	return out, values, nil
}

func signOf(v *mat.Dense, column, n int) float64 {
	most := 0.0
	for r := range n {
		if x := v.At(r, column); math.Abs(x) > math.Abs(most) {
			most = x
		}
	}
	return math.Copysign(1, most)
}

// randomised is the range finder with power iterations and orthonormalisation
// between them, then an eigendecomposition in the range found (Halko, Martinsson,
// Tropp 2011, algorithms 4.4 and 5.3). Products are in float32: eigenvalues below
// drowned times the largest are lost in their rounding, and given as zero. The start is
// seeded: the same matrix gives the same directions.
func randomised(a []float64, n, k int) ([]float32, []float64, error) {
	w := min(k+oversample, n)
	sym, unit := packed(a, n)
	y, ya := make([]float32, w*n), make([]float32, w*n) // rows that span the range, and these times A
	q := gaussian(w*n, uint64(n))
	for i := 0; ; i++ {
		orthonormaliseRows(q, w, n)
		for j, x := range q {
			y[j] = float32(x)
		}
		kernel.MatMul(ya, n, y, n, w, sym, kernel.Epilogue{})
		if i > powers {
			break
		}
		for j, x := range ya {
			q[j] = float64(x)
		}
	}
	b := make([]float32, w*w) // YAYᵀ
	kernel.Gemm(false, true, w, w, n, ya, n, y, n, b, w, false)
	inner := make([]float64, w*w)
	for i := range w {
		for j := i; j < w; j++ {
			inner[i*w+j] = (float64(b[i*w+j]) + float64(b[j*w+i])) / 2
		}
	}
	turned, values, err := full(inner, w, k)
	if err != nil {
		return nil, nil, err
	}
	least := drowned * values[0]
	for i, x := range values {
		if values[i] = x * unit; x < least {
			values[i] = 0
		}
	}
	out := make([]float32, n*k)
	kernel.Gemm(true, false, n, k, w, y, n, turned, k, out, k, false)
	settleSigns(out, n, k)
	return out, values, nil
}

// packed gives a symmetric matrix as what a product reads, in units of its
// largest element, which lies on its diagonal.
func packed(a []float64, n int) (kernel.Weights, float64) {
	unit := 0.0
	for i := range n {
		unit = max(unit, a[i*n+i])
	}
	if unit == 0 {
		unit = 1
	}
	whole := make([]float32, n*n)
	for r := range n {
		for c := r; c < n; c++ {
			x := float32(a[r*n+c] / unit)
			whole[r*n+c], whole[c*n+r] = x, x
		}
	}
	w := kernel.Weights{N: n, K: n, Panels: make([]float32, kernel.PackedLen(n, n))}
	kernel.Pack(w.Panels, whole, n, n, n)
	return w, unit
}

// settleSigns makes the largest component of every column of v (n,k) positive.
func settleSigns(v []float32, n, k int) {
	for j := range k {
		most := float32(0)
		for r := range n {
			if x := v[r*k+j]; x*x > most*most {
				most = x
			}
		}
		if most < 0 {
			for r := range n {
				v[r*k+j] = -v[r*k+j]
			}
		}
	}
}

// orthonormaliseRows replaces the rows of a (w,n), w ≤ n, by orthonormal ones
// that span them, also where they are dependent.
func orthonormaliseRows(a []float64, w, n int) {
	g := blas64.General{Rows: w, Cols: n, Stride: n, Data: a}
	tau, query := make([]float64, w), make([]float64, 1)
	lapack64.Gelqf(g, tau, query, -1)
	work := make([]float64, max(int(query[0]), w))
	lapack64.Gelqf(g, tau, work, len(work))
	lapack64.Orglq(g, tau, query, -1)
	work = make([]float64, max(int(query[0]), w))
	lapack64.Orglq(g, tau, work, len(work))
}

// orthonormalise does so with the columns of a (n,w), n ≥ w.
func orthonormalise(a *mat.Dense) {
	n, w := a.Dims()
	rows := mat.DenseCopyOf(a.T())
	orthonormaliseRows(rows.RawMatrix().Data, w, n)
	a.Copy(rows.T())
}

func gaussian(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	return v
}
