package subspace

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// A full eigendecomposition of an n×n matrix costs some 9n³ operations: about
// a second at 768. Beyond small, when few of the directions are wanted, a
// randomised one costs 2(2+2·powers)·n²·k.
const (
	small      = 1024
	few        = 3  // k ≤ n/few is few
	oversample = 16 // columns beyond k
	powers     = 3  // power iterations
)

// errEigen marks an eigendecomposition that did not converge.
var errEigen = errors.New("the eigendecomposition failed")

// leading gives the k leading eigenvectors of the symmetric, positive
// semidefinite a (n,n) as the columns of an (n,k) matrix, and their eigenvalues,
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
// Tropp 2011, algorithms 4.4 and 5.3). The start is seeded: the same matrix gives
// the same directions.
func randomised(a []float64, n, k int) ([]float32, []float64, error) {
	w := min(k+oversample, n)
	sym := mat.NewDense(n, n, a)
	y := mat.NewDense(n, w, gaussian(n*w, uint64(n)))
	q := mat.NewDense(n, w, nil)
	for i := 0; i <= powers; i++ {
		q.Mul(sym, y)
		orthonormalise(q)
		y, q = q, y
	}
	var b mat.Dense // (w,w) = QᵀAQ
	q.Mul(sym, y)
	b.Mul(y.T(), q)
	inner := mat.NewSymDense(w, nil)
	for i := range w {
		for j := i; j < w; j++ {
			inner.SetSym(i, j, (b.At(i, j)+b.At(j, i))/2)
		}
	}
	turn, values, err := full(inner.RawSymmetric().Data, w, k)
	if err != nil {
		return nil, nil, err
	}
	rotation := mat.NewDense(w, k, nil)
	for i := range w {
		for j := range k {
			rotation.Set(i, j, float64(turn[i*k+j]))
		}
	}
	var vectors mat.Dense
	vectors.Mul(y, rotation)
	out := make([]float32, n*k)
	for j := range k {
		sign := signOf(&vectors, j, n)
		for r := range n {
			out[r*k+j] = float32(sign * vectors.At(r, j))
		}
	}
	return out, values, nil
}

// orthonormalise replaces the columns of a (n,w), n ≥ w, by orthonormal ones
// that span them, also where they are dependent.
func orthonormalise(a *mat.Dense) {
	_, w := a.Dims()
	tau, query := make([]float64, w), make([]float64, 1)
	lapack64.Geqrf(a.RawMatrix(), tau, query, -1)
	work := make([]float64, max(int(query[0]), w))
	lapack64.Geqrf(a.RawMatrix(), tau, work, len(work))
	lapack64.Orgqr(a.RawMatrix(), tau, query, -1)
	work = make([]float64, max(int(query[0]), w))
	lapack64.Orgqr(a.RawMatrix(), tau, work, len(work))
}

func gaussian(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	return v
}
