package kernel

import "testing"

func TestGemm(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		for _, s := range [][3]int{{1, 1, 1}, {5, 33, 17}, {40, 20, 35}} {
			m, n, k := s[0], s[1], s[2]
			for flags := 0; flags < 8; flags++ {
				testGemm(t, m, n, k, Op(flags&1 != 0), Op(flags&2 != 0), flags&4 != 0)
			}
		}
	})
}

func testGemm(t *testing.T, m, n, k int, opA, opB Op, accumulate bool) {
	t.Helper()
	x, w, old := random(1, m*k), random(2, n*k), random(3, m*n)
	want := product64(x, k, m, w, n, k, Epilogue{Accumulate: accumulate}, old, n)
	lda, ldb := k, k
	if opA == Trans {
		x, lda = transposed(x, m, k), m
	}
	if opB == NoTrans {
		w, ldb = transposed(w, n, k), n
	}
	Gemm(opA, opB, m, n, k, x, lda, w, ldb, old, n, accumulate)
	near(t, sizes(m, n, k), old, want, 1e-5)
}
