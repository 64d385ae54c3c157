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

func TestMatMulBF16(t *testing.T) {
	shapes := [][3]int{ // rows, n, k
		{1, 1, 1}, {2, 33, 7}, {5, 64, 0}, {7, 100, 33}, {17, 192, 64}, {25, 65, 300}, {9, 64, 1600}, {200, 257, 192}, {130, 64, 1600},
	}
	for r := 1; r <= 2*maxTileRows+1; r++ {
		shapes = append(shapes, [3]int{r, 64, 35})
	}
	everyISA(t, func(t *testing.T) {
		for _, s := range shapes {
			rows, n, k := s[0], s[1], s[2]
			ldx, ldd := k+3, n+5
			x, w := random(1, rows*ldx), random(2, n*k)
			old := random(3, rows*ldd)
			for name, e := range epilogues(n, rows*ldd) {
				dst := append([]float32(nil), old...)
				if name == "residual is dst" || name == "activation, residual is dst" {
					e.Residual = dst
				}
				want := product64(roundedBF16(x), ldx, rows, roundedBF16(w), n, k, withOld(e, old), old, ldd)
				MatMulBF16(dst, ldd, x, ldx, rows, packedBF16(w, n, k), e)
				near(t, name+sizes(rows, n, k), dense(dst, ldd, rows, n), want, 2e-7*float64(10+k))
				gapsUntouched(t, dst, old, ldd, n)
			}
		}
	})
}

func TestMatMulBF16SpreadOverCores(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const rows, n, k = 210, 300, 1700
		x, w := random(1, rows*k), random(2, n*k)
		dst := make([]float32, rows*n)
		MatMulBF16(dst, n, x, k, rows, packedBF16(w, n, k), Epilogue{})
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
			MatMulBF16(dst, n, x, k, rows, packedBF16(w, n, k), Epilogue{})
			near(t, "not finite", dst, product64(roundedBF16(x), k, rows, roundedBF16(w), n, k, Epilogue{}, nil, n), 1e-5)
		}
	})
}

func TestMatMulBF16AllocatesNothing(t *testing.T) {
	const rows, n, k = 128, 512, 512
	x, dst, w := random(1, rows*k), make([]float32, rows*n), packedBF16(random(2, n*k), n, k)
	if a := testing.AllocsPerRun(20, func() { MatMulBF16(dst, n, x, k, rows, w, Epilogue{}) }); a >= 1 && !raceEnabled {
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
