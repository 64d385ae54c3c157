package kernel

import "testing"

// bf16Rows returns x (rows, cols) as BF16 rows that a product may read.
func bf16Rows(x []float32, cols int) Matrix {
	m := Matrix{Stride: BF16Stride(cols)}
	m.BF16 = make([]uint16, max(1, len(x)/max(1, cols))*m.Stride)
	for r := 0; cols > 0 && r < len(x)/cols; r++ {
		storeBF16(m.BF16[r*m.Stride:][:cols], x[r*cols:])
	}
	return m
}

// wideRows returns the BF16 rows m (rows, cols) as float32, without gaps.
func wideRows(m Matrix, rows, cols int) []float32 {
	x := make([]float32, rows*cols)
	for r := range rows {
		fromFloat16(x[r*cols:][:cols], m.BF16[r*m.Stride:][:cols], BF16)
	}
	return x
}

// untouched fails the test if anything was written beyond the columns of m.
func untouched(t *testing.T, m Matrix, rows, cols int) {
	t.Helper()
	for r := range rows {
		for c, h := range m.BF16[r*m.Stride+cols : (r+1)*m.Stride] {
			if h != 0 {
				t.Fatalf("row %d: column %d of %d was written", r, cols+c, cols)
			}
		}
	}
}

// rowsBF16 are rows, outputs and inputs: odd ones, more inputs than fit in one part, and
// a product large enough for all cores.
var rowsBF16 = [][3]int{{1, 1, 1}, {3, 31, 5}, {13, 96, 129}, {25, 65, 300}, {120, 64, 64}, {9, 70, 2100}, {210, 200, 320}}

// TestMatMulOfBF16Rows expects that a BF16 x gives what a float32 x gives that is rounded
// to it, and that a BF16 dst is a float32 dst rounded.
func TestMatMulOfBF16Rows(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range rowsBF16 {
			rows, n, k := s[0], s[1], s[2]
			x, w, e := random(1, rows*k), packedBF16(random(2, n*k), n, k), Epilogue{Bias: random(3, n), Activation: GELU}
			want := make([]float32, rows*n)
			MatMulBF16(Float32s(want, n), Float32s(x, k), rows, w, e)
			got := make([]float32, rows*n)
			MatMulBF16(Float32s(got, n), bf16Rows(x, k), rows, w, e)
			near(t, "of BF16"+sizes(s[:]...), got, float64s(want), 0)
			dst16 := bf16Rows(make([]float32, rows*n), n)
			MatMulBF16(dst16, bf16Rows(x, k), rows, w, e)
			near(t, "to BF16"+sizes(s[:]...), wideRows(dst16, rows, n), float64s(wideRows(bf16Rows(want, n), rows, n)), 0)
			untouched(t, dst16, rows, n)
		}
	})
}

func TestFactoredOfBF16Rows(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, c := range factoredCases {
			l, groups, rows := c.build()
			x, e := scaled(random(8, rows*c.n), 0.1), Epilogue{Activation: ReLU}
			scratch := dirty(FactoredScratch(l, rows))
			want := make([]float32, rows*c.m)
			FactoredBF16(Float32s(want, c.m), Float32s(x, c.n), groups, l, e, scratch)
			got := make([]float32, rows*c.m)
			FactoredBF16(Float32s(got, c.m), bf16Rows(x, c.n), groups, l, e, scratch)
			near(t, c.name+" of BF16", got, float64s(want), 0)
			dst16 := bf16Rows(make([]float32, rows*c.m), c.m)
			FactoredBF16(dst16, bf16Rows(x, c.n), groups, l, e, scratch)
			near(t, c.name+" to BF16", wideRows(dst16, rows, c.m), float64s(wideRows(bf16Rows(want, c.m), rows, c.m)), 0)
			untouched(t, dst16, rows, c.m)
		}
	})
}

func TestLayerNormToBF16(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range [][2]int{{1, 1}, {3, 17}, {5, 64}, {400, 768}} {
			rows, cols := s[0], s[1]
			x, gamma, beta := random(1, rows*cols), random(2, cols), random(3, cols)
			want, got := make([]float32, rows*cols), bf16Rows(make([]float32, rows*cols), cols)
			LayerNorm(Float32s(want, cols), x, rows, cols, gamma, beta, 1e-6)
			LayerNorm(got, x, rows, cols, gamma, beta, 1e-6)
			near(t, "norm"+sizes(rows, cols), wideRows(got, rows, cols), float64s(wideRows(bf16Rows(want, cols), rows, cols)), 0)
			untouched(t, got, rows, cols)
		}
	})
}

func TestMatMulPanicsOnBadBF16Rows(t *testing.T) {
	x, w := bf16Rows(random(1, 64), 64), packedBF16(random(2, 64*64), 64, 64)
	for name, call := range map[string]func(){
		"float32 weights": func() {
			multiply(product{dst: Float32s(make([]float32, 64), 64), rows: 1, n: 64, term: term{x: x, k: 64, panels: random(2, 64*64)}})
		},
		"a residual":   func() { MatMulBF16(x, Float32s(random(1, 64), 64), 1, w, Epilogue{Residual: random(1, 64)}) },
		"accumulation": func() { MatMulBF16(x, Float32s(random(1, 64), 64), 1, w, Epilogue{Accumulate: true}) },
		"stride not padded": func() {
			MatMulBF16(Float32s(make([]float32, 64), 64), Matrix{BF16: x.BF16[:60], Stride: 60}, 1, packedBF16(random(2, 64*60), 64, 60), Epilogue{})
		},
	} {
		t.Run(name, func(t *testing.T) { mustPanic(t, call) })
	}
}
