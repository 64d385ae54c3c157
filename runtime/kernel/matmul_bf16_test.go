package kernel

import "testing"

// roundedBF16 returns x rounded to BF16.
func roundedBF16(x []float32) []float32 { return fromFormat(toFormat(x, BF16), BF16) }

// packedBF16 returns w (n, k) packed in BF16.
func packedBF16(w []float32, n, k int) WeightsBF16 {
	p := WeightsBF16{N: n, K: k, Panels: dirtyBF16(PackedLenBF16(n, k))}
	PackBF16(p.Panels, w, k, n, k)
	return p
}

func TestMatMulBF16InParallel(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 110, 100, 1700
		x, w := random(1, rows*k), random(2, n*k)
		dst := make([]float32, rows*n)
		MatMulBF16(Float32s(dst, n), Float32s(x, k), rows, packedBF16(w, n, k), Epilogue{})
		near(t, "large", dst, product64(roundedBF16(x), k, rows, roundedBF16(w), n, k, Epilogue{}, nil, n), 3e-4)
	})
}

func TestMatMulBF16PropagatesNaNAndInf(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 3, 40, 9
		for _, bad := range []float32{nan, inf, -inf} {
			x, w := random(1, rows*k), random(2, n*k)
			x[k+4] = bad
			dst := make([]float32, rows*n)
			MatMulBF16(Float32s(dst, n), Float32s(x, k), rows, packedBF16(w, n, k), Epilogue{})
			near(t, "not finite", dst, product64(roundedBF16(x), k, rows, roundedBF16(w), n, k, Epilogue{}, nil, n), 1e-5)
		}
	})
}

func TestMatMulBF16DoesNotAllocate(t *testing.T) {
	const rows, n, k = 128, 512, 512
	x, dst, w := random(1, rows*k), make([]float32, rows*n), packedBF16(random(2, n*k), n, k)
	mustNotAllocate(t, func() { MatMulBF16(Float32s(dst, n), Float32s(x, k), rows, w, Epilogue{}) })
}

func TestUnpackBF16(t *testing.T) {
	const n, k = 45, 37
	w := random(1, n*k)
	got := make([]float32, n*k)
	UnpackBF16(got, k, packedBF16(w, n, k))
	near(t, "unpacked", got, float64s(roundedBF16(w)), 0)
}
