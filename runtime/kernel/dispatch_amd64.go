//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

//go:generate go run ./_gen .

// detect returns the instruction sets that processor and operating system both
// have (cpu asks XGETBV for the latter).
func detect() []level {
	fillVectors()
	found := []level{generic}
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA || !hasF16C() {
		return found
	}
	found = append(found, avx2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
		found = append(found, avx512)
		if x.HasAVX512BF16 {
			found = append(found, avx512bf16)
			if x.HasAMXTile && x.HasAMXBF16 && permitTiles() {
				found = append(found, amx)
			}
		}
	}
	return found
}

func tileRows() int {
	switch {
	case isa >= avx512:
		return 12
	case isa >= avx2:
		return 6
	default:
		return genericTileRows
	}
}

// tile computes c (rows, 32) = [c +] x (rows, k) · panel (k, 32), rows at most
// tileRows.
func tile(c []float32, ldc int, x []float32, ldx int, panel []float32, rows, k int, load bool) {
	if k == 0 {
		tileGeneric(c, ldc, x, ldx, panel, rows, k, load)
		return
	}
	_, _, _ = c[(rows-1)*ldc+Panel-1], x[(rows-1)*ldx+k-1], panel[k*Panel-1]
	if isa >= avx512 {
		tileAVX512(&c[0], ldc, &x[0], ldx, &panel[0], rows, k, load)
	} else if isa >= avx2 {
		tileAVX2(&c[0], ldc, &x[0], ldx, &panel[0], rows, k, load)
	} else {
		tileGeneric(c, ldc, x, ldx, panel, rows, k, load)
	}
}

// turn transposes the first rows and inputs of w (rows, k) into a panel, and
// returns how many of each: what is no whole step of the processor's is left.
func turn(panel, w []float32, ldw, rows, k int) (int, int) {
	lanes := 16
	switch {
	case isa < avx2:
		return 0, 0
	case isa < avx512:
		lanes = 8
	}
	rows, k = rows&^(lanes-1), k&^3
	if rows == 0 || k == 0 {
		return 0, 0
	}
	_, _ = w[(rows-1)*ldw+k-1], panel[(k-1)*Panel+rows-1]
	for r := 0; r < rows; r += lanes {
		if isa >= avx512 {
			turnAVX512(&panel[r], &w[r*ldw], ldw, k)
		} else {
			turnAVX2(&panel[r], &w[r*ldw], ldw, k)
		}
	}
	return rows, k
}

// finish applies an epilogue to a tile (rows, 32); bias (32) and residual
// (rows, 32) may be nil.
func finish(c []float32, ldc, rows int, bias []float32, act Activation, residual []float32, ldr int) {
	if isa == generic {
		finishGeneric(c, ldc, rows, bias, act, residual, ldr)
		return
	}
	_ = c[(rows-1)*ldc+Panel-1]
	var b, r *float32
	if bias != nil {
		b = &bias[:Panel][0]
	}
	if residual != nil {
		r = &residual[:(rows-1)*ldr+Panel][0]
	}
	if b == nil && r == nil && act == Identity {
		return
	}
	if isa >= avx512 {
		finishAVX512(&c[0], ldc, rows, b, int(act), r, ldr)
	} else {
		finishAVX2(&c[0], ldc, rows, b, int(act), r, ldr)
	}
}

func layerNorm(dst, x, gamma, beta []float32, eps float32) {
	if isa >= avx512 {
		layerNormAVX512(&dst[0], &x[0], &gamma[0], &beta[0], len(x), eps)
	} else if isa >= avx2 {
		layerNormAVX2(&dst[0], &x[0], &gamma[0], &beta[0], len(x), eps)
	} else {
		layerNormGeneric(dst, x, gamma, beta, eps)
	}
}

func softmax(x []float32, scale float32) {
	if isa >= avx512 {
		softmaxAVX512(&x[0], len(x), scale)
	} else if isa >= avx2 {
		softmaxAVX2(&x[0], len(x), scale)
	} else {
		softmaxGeneric(x, scale)
	}
}

// longestCall is the elements that assembly without a tail handles at a time in one
// call (it cannot be preempted); what is no multiple of 16 is left to Go.
const longestCall = 1 << 16

func add(dst, x []float32) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, longestCall)
		if isa >= avx512 {
			addAVX512(&dst[0], &x[0], n)
		} else {
			addAVX2(&dst[0], &x[0], n)
		}
		dst, x = dst[n:], x[n:]
	}
	addGeneric(dst, x)
}

func toHalf(dst []uint16, src []float32, h Half) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, longestCall)
		switch {
		case isa >= avx512 && h == BF16:
			toBF16AVX512(&dst[0], &src[0], n)
		case isa >= avx512:
			toF16AVX512(&dst[0], &src[0], n)
		case h == BF16:
			toBF16AVX2(&dst[0], &src[0], n)
		default:
			toF16AVX2(&dst[0], &src[0], n)
		}
		dst, src = dst[n:], src[n:]
	}
	toHalfGeneric(dst, src, h)
}

func fromHalf(dst []float32, src []uint16, h Half) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, longestCall)
		switch {
		case isa >= avx512 && h == BF16:
			fromBF16AVX512(&dst[0], &src[0], n)
		case isa >= avx512:
			fromF16AVX512(&dst[0], &src[0], n)
		case h == BF16:
			fromBF16AVX2(&dst[0], &src[0], n)
		default:
			fromF16AVX2(&dst[0], &src[0], n)
		}
		dst, src = dst[n:], src[n:]
	}
	fromHalfGeneric(dst, src, h)
}

// fmaRounds does multiply-adds and returns how many operations they were.
func fmaRounds(rounds int) float64 {
	const sums = 12
	switch {
	case isa >= avx512:
		fmaAVX512(rounds)
		return float64(rounds) * sums * 2 * 16
	case isa >= avx2:
		fmaAVX2(rounds)
		return float64(rounds) * sums * 2 * 8
	default:
		return fmaRoundsGeneric(rounds)
	}
}

// readAll reads x, a multiple of 128 elements.
func readAll(x []float32) {
	if isa >= avx512 {
		readAVX512(&x[0], len(x))
	} else if isa >= avx2 {
		readAVX2(&x[0], len(x))
	} else {
		readGeneric(x)
	}
}
