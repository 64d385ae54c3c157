package kernel

import (
	"math"
	"strings"
	"testing"
)

// product64 is act(x·wᵀ + bias [+ old]) + residual in float64, without gaps.
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

func packed(w []float32, n, k int) Weights {
	p := Weights{N: n, K: k, Panels: make([]float32, PackedLen(n, k))}
	Pack(p.Panels, w, k, n, k)
	return p
}

// dense drops the gaps between rows.
func dense(x []float32, ld, rows, cols int) []float32 {
	d := make([]float32, rows*cols)
	copyTile(d, cols, x, ld, rows, cols)
	return d
}

// A form is one of the number formats that a product has.
type form struct {
	name string
	// round is what becomes of both factors.
	round func(x []float32) []float32
	// prepare packs w (n, k) and returns the product with it.
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
				for name, e := range epilogues(s[1], s[0]*(s[1]+5)) {
					testMatMul(t, f, s[0], s[1], s[2], name, e)
				}
			}
		})
	}
}

// Every height of a tile, and two tiles of heights that differ.
func TestMatMulOfAnyRows(t *testing.T) {
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
	ontoItself := strings.HasSuffix(name, "residual is dst")
	reference := e
	if ontoItself {
		reference.Residual = old
	}
	want := product64(f.round(x), ldx, rows, f.round(w), n, k, reference, old, ldd)
	was := isa
	defer func() { isa = was }()
	for _, isa = range levels {
		dst := clone(old)
		if ontoItself {
			e.Residual = dst
		}
		multiply(dst, ldd, x, ldx, rows, e)
		near(t, ISA()+" "+name+sizes(rows, n, k), dense(dst, ldd, rows, n), want, 2e-7*float64(10+k))
		gapsUntouched(t, dst, old, ldd, n)
	}
}

func epilogues(n, residual int) map[string]Epilogue {
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

func gapsUntouched(t *testing.T, dst, old []float32, ld, n int) {
	t.Helper()
	for i := range dst {
		if i%ld >= n && dst[i] != old[i] {
			t.Fatalf("element %d between rows was written", i)
		}
	}
}

func TestMatMulResidualApart(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k, ldd = 14, 70, 40, 71
		x, w := random(1, rows*k), random(2, n*k)
		e := Epilogue{Bias: random(4, n), Activation: GELUTanh, Residual: random(5, rows*ldd)}
		dst := make([]float32, rows*ldd)
		MatMul(dst, ldd, x, k, rows, packed(w, n, k), e)
		near(t, "residual", dense(dst, ldd, rows, n), product64(x, k, rows, w, n, k, e, nil, ldd), 1e-5)
	})
}

func TestMatMulSpreadOverCores(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 210, 100, 800
		x, w := random(1, rows*k), random(2, n*k)
		e := Epilogue{Bias: random(4, n)}
		dst := make([]float32, rows*n)
		MatMul(dst, n, x, k, rows, packed(w, n, k), e)
		near(t, "large", dst, product64(x, k, rows, w, n, k, e, nil, n), 1e-4)
	})
}

// A row stride that makes rows fall on the same cache lines.
func TestMatMulGathersRows(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k, ldx = 14, 128, 800, 1024
		x, w := random(1, rows*ldx), random(2, n*k)
		dst := make([]float32, rows*n)
		MatMul(dst, n, x, ldx, rows, packed(w, n, k), Epilogue{})
		near(t, "gathered", dst, product64(x, ldx, rows, w, n, k, Epilogue{}, nil, n), 1e-4)
	})
}

func TestMatMulKeepsNaNAndInf(t *testing.T) {
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

func TestMatMulAllocatesNothing(t *testing.T) {
	const rows, n, k = 128, 512, 512
	x, dst, w := random(1, rows*k), make([]float32, rows*n), packed(random(2, n*k), n, k)
	if a := testing.AllocsPerRun(20, func() { MatMul(dst, n, x, k, rows, w, Epilogue{}) }); a >= 1 && !raceEnabled {
		t.Fatalf("%v allocations a call", a)
	}
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
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			call()
		})
	}
}

func TestPackAndUnpack(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {32, 4}, {33, 7}, {70, 31}, {3, 64}} {
		n, k := s[0], s[1]
		w := random(1, n*(k+2))
		p := make([]float32, PackedLen(n, k))
		for i := range p {
			p[i] = nan
		}
		Pack(p, w, k+2, n, k)
		got := make([]float32, n*k)
		Unpack(got, k, p, n, k)
		near(t, "unpacked"+sizes(n, k), got, float64s(dense(w, k+2, n, k)), 0)
		for _, v := range p {
			if math.IsNaN(float64(v)) {
				t.Fatal("the outputs beyond n are not zero")
			}
		}
	}
}

func TestGemm(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range [][3]int{{1, 1, 1}, {5, 33, 17}, {40, 20, 35}} {
			m, n, k := s[0], s[1], s[2]
			for flags := 0; flags < 8; flags++ {
				testGemm(t, m, n, k, flags&1 != 0, flags&2 != 0, flags&4 != 0)
			}
		}
	})
}

func testGemm(t *testing.T, m, n, k int, transA, transB, accumulate bool) {
	t.Helper()
	x, w, old := random(1, m*k), random(2, n*k), random(3, m*n)
	want := product64(x, k, m, w, n, k, Epilogue{Accumulate: accumulate}, old, n)
	lda, ldb := k, k
	if transA {
		x, lda = transposed(x, k, m, k), m
	}
	if !transB {
		w, ldb = transposed(w, k, n, k), n
	}
	Gemm(transA, transB, m, n, k, x, lda, w, ldb, old, n, accumulate)
	near(t, sizes(m, n, k), old, want, 1e-5)
}
