package kernel

import (
	"testing"

	"gorgonia.org/tensor"
)

func TestTensorMatMulUsesGemm(t *testing.T) {
	was := tensor.WhichBLAS()
	tensor.Use(BLAS())
	defer tensor.Use(was)
	const m, n, k = 7, 35, 18
	x, w := random(1, m*k), random(2, n*k)
	want := product64(x, k, m, w, n, k, Epilogue{}, nil, n)
	a := func() *tensor.Dense { return tensor.New(tensor.WithShape(m, k), tensor.WithBacking(x)) }
	aT := func() *tensor.Dense {
		return lazyTranspose(t, tensor.New(tensor.WithShape(k, m), tensor.WithBacking(transposed(x, m, k))))
	}
	b := func() *tensor.Dense {
		return tensor.New(tensor.WithShape(k, n), tensor.WithBacking(transposed(w, n, k)))
	}
	bT := func() *tensor.Dense {
		return lazyTranspose(t, tensor.New(tensor.WithShape(n, k), tensor.WithBacking(w)))
	}
	for _, c := range []struct {
		name string
		a, b *tensor.Dense
	}{{"plain", a(), b()}, {"a transposed", aT(), b()}, {"b transposed", a(), bT()}, {"both transposed", aT(), bT()}} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tensor.MatMul(c.a, c.b)
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.name, got.Data().([]float32), want, 1e-5)
		})
	}
}

// lazyTranspose transposes a tensor without moving its elements.
func lazyTranspose(t *testing.T, d *tensor.Dense) *tensor.Dense {
	t.Helper()
	if err := d.T(); err != nil {
		t.Fatal(err)
	}
	return d
}
