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

// A full eigendecomposition of an n×n matrix takes about 9n³ operations, most of them
// sequential: half a second for n = 768, minutes for 3072. If n > small and k ≤ n/few
// eigenvectors are needed, a randomised one takes 2(2+powers)·n²·k, almost all of them in our
// own matrix product.
const (
	small      = 512
	few        = 3
	oversample = 16   // columns in addition to k
	powers     = 3    // power iterations
	negligible = 1e-7 // eigenvalues below this, relative to the largest, are rounding errors
)

// errEigen marks an eigendecomposition that did not converge.
var errEigen = errors.New("the eigendecomposition failed")

// leading returns the k leading eigenvectors of a (n,n) as the columns of a matrix (n,k), and
// their eigenvalues, largest first. a is symmetric and positive semidefinite; leading reads its
// upper half and overwrites it. The largest component of each eigenvector is positive.
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

// full implements leading with a full eigendecomposition. It works in place, since a copy for
// a large layer would take more memory than anything else in a fit.
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

// signOf returns the sign of the largest component of a column.
func signOf(v *mat.Dense, column, n int) float64 {
	largest := 0.0
	for r := range n {
		if x := v.At(r, column); math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	return math.Copysign(1, largest)
}

// randomised implements leading with a randomised range finder, power iterations with
// orthonormalisation between them, and an eigendecomposition in the range (Halko, Martinsson,
// Tropp 2011, algorithms 4.4 and 5.3). Products are in float32, so negligible eigenvalues are
// rounding errors and are returned as zero. The random start is seeded, so that the result
// depends on the matrix alone.
func randomised(a []float64, n, k int) ([]float32, []float64, error) {
	w := min(k+oversample, n)
	sym, unit := packed(a, n)
	y, ya := make([]float32, w*n), make([]float32, w*n) // rows that span the range, and these rows times A
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
	rotation, values, err := full(inner, w, k)
	if err != nil {
		return nil, nil, err
	}
	smallest := negligible * values[0]
	for i, x := range values {
		if values[i] = x * unit; x < smallest {
			values[i] = 0
		}
	}
	out := make([]float32, n*k)
	kernel.Gemm(true, false, n, k, w, y, n, rotation, k, out, k, false)
	fixSigns(out, n, k)
	return out, values, nil
}

// packed returns a symmetric matrix (n,n), of which it reads the upper half, as the weights of
// a product, in units of its largest diagonal element, which it also returns.
func packed(a []float64, n int) (kernel.Weights, float64) {
	unit := 0.0
	for i := range n {
		unit = max(unit, a[i*n+i])
	}
	if unit == 0 {
		unit = 1
	}
	both := make([]float32, n*n)
	for r := range n {
		for c := r; c < n; c++ {
			x := float32(a[r*n+c] / unit)
			both[r*n+c], both[c*n+r] = x, x
		}
	}
	w := kernel.Weights{N: n, K: n, Panels: make([]float32, kernel.PackedLen(n, n))}
	kernel.Pack(w.Panels, both, n, n, n)
	return w, unit
}

// fixSigns makes the largest component of every column of v (n,k) positive.
func fixSigns(v []float32, n, k int) {
	for j := range k {
		largest := float32(0)
		for r := range n {
			if x := v[r*k+j]; x*x > largest*largest {
				largest = x
			}
		}
		if largest < 0 {
			for r := range n {
				v[r*k+j] = -v[r*k+j]
			}
		}
	}
}

// orthonormaliseRows replaces the rows of a (w,n), w ≤ n, with orthonormal rows that span them.
// The rows of a may be dependent.
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

// orthonormalise replaces the columns of a (n,w), n ≥ w, with orthonormal columns that span
// them.
func orthonormalise(a *mat.Dense) {
	n, w := a.Dims()
	rows := mat.DenseCopyOf(a.T())
	orthonormaliseRows(rows.RawMatrix().Data, w, n)
	a.Copy(rows.T())
}

// gaussian returns n normally distributed numbers.
func gaussian(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	return v
}
