package subspace

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// withSpectrum returns an n×n matrix with the given eigenvalues, the rest zero, and its random
// eigenvectors as columns.
func withSpectrum(n int, values []float64) (a []float64, vectors *mat.Dense) {
	vectors = mat.NewDense(n, len(values), gaussian(n*len(values), 42))
	orthonormalise(vectors)
	scaled := mat.DenseCopyOf(vectors)
	scaled.Apply(func(_, j int, x float64) float64 { return x * values[j] }, vectors)
	var m mat.Dense
	m.Mul(scaled, vectors.T())
	return m.RawMatrix().Data, vectors
}

func columns(v []float32, n, k int) *mat.Dense {
	m := mat.NewDense(n, k, nil)
	m.Apply(func(i, j int, _ float64) float64 { return float64(v[i*k+j]) }, m)
	return m
}

// cosine returns the cosine of the largest angle between the spans of two sets of orthonormal
// columns.
func cosine(a, b mat.Matrix) float64 {
	var product mat.Dense
	product.Mul(a.T(), b)
	var svd mat.SVD
	svd.Factorize(&product, mat.SVDNone)
	return slices.Min(svd.Values(nil))
}

// captured returns tr(VᵀAV), the energy in the directions.
func captured(a []float64, v *mat.Dense) float64 {
	n, _ := v.Dims()
	var av, vav mat.Dense
	av.Mul(mat.NewDense(n, n, a), v)
	vav.Mul(v.T(), &av)
	return mat.Trace(&vav)
}

func TestFull(t *testing.T) {
	a, vectors := withSpectrum(40, []float64{9, 4, 1, 0.5})
	v, values, err := leading(a, 40, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{9, 4, 1} {
		if math.Abs(values[i]-want) > 1e-12 {
			t.Errorf("eigenvalue %d is %g, want %g", i, values[i], want)
		}
	}
	if c := cosine(columns(v, 40, 3), vectors.Slice(0, 40, 0, 3)); c < 1-1e-6 {
		t.Errorf("the cosine of the eigenvectors to the true ones is %g", c)
	}
}

// The randomised method agrees with the full one, on spectra that decay like those of real
// families and slower.
func TestRandomisedAgainstFull(t *testing.T) {
	const n, k = 160, 20
	for name, value := range map[string]func(i int) float64{
		"falling by a tenth each": func(i int) float64 { return math.Pow(0.9, float64(i)) },
		"a power law":             func(i int) float64 { return 1 / float64(i+1) },
		"even slower":             func(i int) float64 { return 1 / math.Sqrt(float64(i+1)) },
		"over twelve decades":     func(i int) float64 { return math.Pow(10, -12*float64(i)/n) },
	} {
		t.Run(name, func(t *testing.T) {
			var spectrum []float64
			for i := range n {
				spectrum = append(spectrum, value(i))
			}
			a, vectors := withSpectrum(n, spectrum)
			v, values, err := randomised(a, n, k)
			if err != nil {
				t.Fatal(err)
			}
			w, exact, err := full(slices.Clone(a), n, k)
			if err != nil {
				t.Fatal(err)
			}
			found, best := captured(a, columns(v, n, k)), captured(a, columns(w, n, k))
			if found < 0.99*best {
				t.Errorf("captures %g of the energy of %d eigenvectors", found/best, k)
			}
			for i := range values {
				if math.Abs(values[i]/exact[i]-1) > 0.05 {
					t.Errorf("eigenvalue %d is %g, want %g", i, values[i], exact[i])
				}
			}
			// The first directions converge long before the last.
			if c := cosine(columns(v, n, k), vectors.Slice(0, n, 0, k/2)); c < 0.98 {
				t.Errorf("the cosine of the first half is %g", c)
			}
		})
	}
}

// Directions are orthonormal for a matrix of any rank: that of a constant tensor is zero.
func TestDirectionsAreOrthonormal(t *testing.T) {
	const n, k = 60, 12
	for _, rank := range []int{0, 1, 3, 30} {
		spectrum := make([]float64, rank)
		for i := range spectrum {
			spectrum[i] = 1 / float64(i+1)
		}
		a := make([]float64, n*n)
		if rank > 0 {
			a, _ = withSpectrum(n, spectrum)
		}
		for name, method := range map[string]func() ([]float32, []float64, error){
			"full":       func() ([]float32, []float64, error) { return full(slices.Clone(a), n, k) },
			"randomised": func() ([]float32, []float64, error) { return randomised(a, n, k) },
		} {
			v, values, err := method()
			if err != nil {
				t.Fatal(err)
			}
			var gram mat.Dense
			gram.Mul(columns(v, n, k).T(), columns(v, n, k))
			gram.Sub(&gram, mat.NewDiagDense(k, slices.Repeat([]float64{1}, k)))
			if off := mat.Norm(&gram, 2); !(off < 1e-5) {
				t.Errorf("%s, rank %d: not orthonormal by %g", name, rank, off)
			}
			for i, x := range values {
				if x < 0 || i > 0 && x > values[i-1] || i >= rank && x > 1e-12 {
					t.Errorf("%s, rank %d: eigenvalues %g", name, rank, values)
					break
				}
			}
		}
	}
}

// A few directions of a large matrix are computed by the randomised method. The result is the
// same every time, and the largest component of a direction is positive.
func TestLeadingOfLarge(t *testing.T) {
	const n, k = small + 7, 5
	a := make([]float64, n*n)
	for i := range n { // the eigenvectors are the axes
		a[i*n+i] = math.Pow(0.5, float64((i*7)%n))
	}
	v, values, err := leading(slices.Clone(a), n, k)
	if err != nil {
		t.Fatal(err)
	}
	for j := range k {
		axis := 0
		for (axis*7)%n != j {
			axis++
		}
		if x := v[axis*k+j]; math.Abs(float64(x)-1) > 1e-6 {
			t.Errorf("component %[3]d of direction %[1]d is %[2]g", j, x, axis)
		}
		if want := math.Pow(0.5, float64(j)); math.Abs(values[j]/want-1) > 1e-6 {
			t.Errorf("eigenvalue %d is %g, want %g", j, values[j], want)
		}
	}
	again, _, err := leading(a, n, k)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
		t.Error("the same matrix has different directions")
	}
}

func TestLeadingOfNaN(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a := make([]float64, 9)
		a[5] = x
		if _, _, err := leading(a, 3, 2); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%g: %v, want %v", x, err, ErrNotFinite)
		}
	}
}
