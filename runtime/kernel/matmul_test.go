package kernel

import (
	"strings"
	"testing"
)

// product64 is the definition of MatMul: act(x·wᵀ + bias [+ old]) + residual in float64,
// without gaps between rows.
func product64(x []float32, ldx, rows int, w []float32, n, k int, e Epilogue, old []float32, ldd int) []float64 {
	out := make([]float64, rows*n)
	for r := 0; r < rows; r++ {
		for j := 0; j < n; j++ {
			var sum float64
			for i := 0; i < k; i++ {
				sum += float64(x[r*ldx+i]) * float64(w[j*k+i])
			}
			if e.Accumulate {
				sum += float64(old[r*ldd+j])
			}
			if e.Bias != nil {
				sum += float64(e.Bias[j])
			}
			sum = activation64(sum, e.Activation)
			if e.Residual != nil {
				sum += float64(e.Residual[r*ldd+j])
			}
			out[r*n+j] = sum
		}
	}
	return out
}

// packed returns w (n, k) packed.
func packed(w []float32, n, k int) Weights {
	p := Weights{N: n, K: k, Panels: make([]float32, PackedLen(n, k))}
	Pack(p.Panels, w, k, n, k)
	return p
}

// A form is one of the number formats of a product's factors.
type form struct {
	name string
	// round returns a factor as the product rounds it.
	round func(x []float32) []float32
	// prepare packs w (n, k) and returns a function that multiplies by it.
	prepare func(w []float32, n, k int) func(dst []float32, ldd int, x []float32, ldx, rows int, e Epilogue)
}

var forms = []form{
	{"f32", clone, func(w []float32, n, k int) func([]float32, int, []float32, int, int, Epilogue) {
		p := packed(w, n, k)
		return func(dst []float32, ldd int, x []float32, ldx, rows int, e Epilogue) {
			MatMul(dst, ldd, x, ldx, rows, p, e)
		}
	}},
	{"bf16", roundedBF16, func(w []float32, n, k int) func([]float32, int, []float32, int, int, Epilogue) {
		p := packedBF16(w, n, k)
		return func(dst []float32, ldd int, x []float32, ldx, rows int, e Epilogue) {
			MatMulBF16(Float32s(dst, ldd), Float32s(x, ldx), rows, p, e)
		}
	}},
}

func TestMatMul(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for _, s := range [][3]int{ // rows, n, k
				{1, 1, 1}, {1, 32, 64}, {2, 33, 7}, {3, 31, 5}, {5, 64, 0}, {7, 100, 33}, {13, 96, 129},
				{17, 192, 64}, {25, 65, 300}, {100, 40, 50}, {9, 64, 1600}, {13, 96, 512 - 3}, {200, 65, 192},
			} {
				for name, e := range epilogues(s[1]) {
					testMatMul(t, f, s[0], s[1], s[2], name, e)
				}
			}
		})
	}
}

// TestMatMulOfAnyNumberOfRows covers every height of a tile, and two tiles of different
// height.
func TestMatMulOfAnyNumberOfRows(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for rows := 1; rows <= 2*maxTileRows+1; rows++ {
				testMatMul(t, f, rows, 64, 35, "plain", Epilogue{})
				testMatMul(t, f, rows, 64, 35, "accumulate", Epilogue{Accumulate: true, Bias: random(4, 64)})
			}
		})
	}
}

func testMatMul(t *testing.T, f form, rows, n, k int, name string, e Epilogue) {
	t.Helper()
	ldx, ldd := k+3, n+5
	x, w, old := random(1, rows*ldx), random(2, n*k), random(3, rows*ldd)
	multiply := f.prepare(w, n, k)
	inPlace := strings.HasSuffix(name, "residual is dst")
	reference := e
	if inPlace {
		reference.Residual = old
	}
	want := product64(f.round(x), ldx, rows, f.round(w), n, k, reference, old, ldd)
	was := isa
	defer func() { isa = was }()
	for _, isa = range levels {
		dst := clone(old)
		if inPlace {
			e.Residual = dst
		}
		multiply(dst, ldd, x, ldx, rows, e)
		near(t, ISA()+" "+name+sizes(rows, n, k), dense(dst, ldd, rows, n), want, 2e-7*float64(10+k))
		gapsUntouched(t, dst, old, ldd, n)
	}
}

// epilogues returns epilogues for n outputs, by name.
func epilogues(n int) map[string]Epilogue {
	return map[string]Epilogue{
		"plain":                        {},
		"bias":                         {Bias: random(4, n)},
		"bias, gelu":                   {Bias: random(4, n), Activation: GELU},
		"accumulate, relu":             {Accumulate: true, Activation: ReLU},
		"residual is dst":              {Bias: random(4, n)},
		"activation, residual is dst":  {Bias: random(4, n), Activation: SiLU},
		"accumulate, bias, quick gelu": {Accumulate: true, Bias: random(4, n), Activation: QuickGELU},
	}
}

func TestMatMulWithSeparateResidual(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k, ldd = 14, 70, 40, 71
		x, w := random(1, rows*k), random(2, n*k)
		e := Epilogue{Bias: random(4, n), Activation: GELUTanh, Residual: random(5, rows*ldd)}
		dst := make([]float32, rows*ldd)
		MatMul(dst, ldd, x, k, rows, packed(w, n, k), e)
		near(t, "residual", dense(dst, ldd, rows, n), product64(x, k, rows, w, n, k, e, nil, ldd), 1e-5)
	})
}

func TestMatMulInParallel(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 210, 100, 800
		x, w := random(1, rows*k), random(2, n*k)
		e := Epilogue{Bias: random(4, n)}
		dst := make([]float32, rows*n)
		MatMul(dst, n, x, k, rows, packed(w, n, k), e)
		near(t, "large", dst, product64(x, k, rows, w, n, k, e, nil, n), 1e-4)
	})
}

// TestMatMulCopiesConflictingRows has a row stride that maps all rows to the same cache
// sets.
func TestMatMulCopiesConflictingRows(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k, ldx = 14, 128, 800, 1024
		x, w := random(1, rows*ldx), random(2, n*k)
		dst := make([]float32, rows*n)
		MatMul(dst, n, x, ldx, rows, packed(w, n, k), Epilogue{})
		near(t, "copied", dst, product64(x, ldx, rows, w, n, k, Epilogue{}, nil, n), 1e-4)
	})
}

func TestMatMulPropagatesNaNAndInf(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 3, 40, 9
		for _, bad := range []float32{nan, inf, -inf} {
			x, w := random(1, rows*k), random(2, n*k)
			x[k+4] = bad
			dst := make([]float32, rows*n)
			MatMul(dst, n, x, k, rows, packed(w, n, k), Epilogue{})
			near(t, "not finite", dst, product64(x, k, rows, w, n, k, Epilogue{}, nil, n), 1e-5)
		}
	})
}

func TestMatMulOfDenormals(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		x, w := []float32{1e-40, 2e-40}, []float32{3, 5}
		dst := make([]float32, 1)
		MatMul(dst, 1, x, 2, 1, packed(w, 1, 2), Epilogue{})
		if want := x[0]*3 + x[1]*5; dst[0] != want {
			t.Fatalf("got %g, want %g", dst[0], want)
		}
	})
}

func TestMatMulDoesNotAllocate(t *testing.T) {
	const rows, n, k = 128, 512, 512
	x, dst, w := random(1, rows*k), make([]float32, rows*n), packed(random(2, n*k), n, k)
	mustNotAllocate(t, func() { MatMul(dst, n, x, k, rows, w, Epilogue{}) })
}

func TestMatMulPanicsOnShortSlices(t *testing.T) {
	w := packed(random(1, 64), 8, 8)
	for name, call := range map[string]func(){
		"dst":     func() { MatMul(make([]float32, 15), 8, make([]float32, 16), 8, 2, w, Epilogue{}) },
		"x":       func() { MatMul(make([]float32, 16), 8, make([]float32, 15), 8, 2, w, Epilogue{}) },
		"weights": func() { MatMul(make([]float32, 16), 8, make([]float32, 16), 8, 2, Weights{N: 8, K: 8}, Epilogue{}) },
		"stride":  func() { MatMul(make([]float32, 16), 7, make([]float32, 16), 8, 2, w, Epilogue{}) },
		"bias": func() {
			MatMul(make([]float32, 16), 8, make([]float32, 16), 8, 2, w, Epilogue{Bias: make([]float32, 7)})
		},
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, call) })
	}
}
