package kernel

import "testing"

func roundedBF16(x []float32) []float32 { return fromHalves(halves(x, BF16), BF16) }

func packedBF16(w []float32, n, k int) WeightsBF16 {
	p := WeightsBF16{N: n, K: k, Panels: make([]uint16, PackedLenBF16(n, k))}
	for i := range p.Panels {
		p.Panels[i] = 0x7fc0
	}
	PackBF16(p.Panels, w, k, n, k)
	return p
}

func TestMatMulBF16SpreadOverCores(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 110, 100, 1700
		x, w := random(1, rows*k), random(2, n*k)
		dst := make([]float32, rows*n)
		MatMulBF16(Float32s(dst, n), Float32s(x, k), rows, packedBF16(w, n, k), Epilogue{})
		near(t, "large", dst, product64(roundedBF16(x), k, rows, roundedBF16(w), n, k, Epilogue{}, nil, n), 3e-4)
	})
}

func TestMatMulBF16KeepsNaNAndInf(t *testing.T) {
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

func TestMatMulBF16AllocatesNothing(t *testing.T) {
	const rows, n, k = 128, 512, 512
	x, dst, w := random(1, rows*k), make([]float32, rows*n), packedBF16(random(2, n*k), n, k)
	if a := testing.AllocsPerRun(20, func() { MatMulBF16(Float32s(dst, n), Float32s(x, k), rows, w, Epilogue{}) }); a >= 1 && !raceEnabled {
		t.Fatalf("%v allocations a call", a)
	}
}

func TestUnpackBF16(t *testing.T) {
	const n, k = 45, 37
	w := random(1, n*k)
	got := make([]float32, n*k)
	UnpackBF16(got, k, packedBF16(w, n, k))
	near(t, "unpacked", got, float64s(roundedBF16(w)), 0)
}
