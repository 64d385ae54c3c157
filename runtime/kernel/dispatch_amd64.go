//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

//go:generate go run ./_gen .

// detect returns the levels that both the processor and the operating system support
// (package cpu checks the latter with XGETBV).
func detect() []level {
	fillConstants()
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
			if x.HasAMXTile && x.HasAMXBF16 && requestAMX() {
				found = append(found, amx)
			}
		}
	}
	return found
}

// tileRows returns the maximum number of rows in a tile of the micro-kernel.
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

// tile is the micro-kernel: c (rows, 32) = [c +] x (rows, k) · panel (k, 32), with at
// most tileRows rows.
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

// transposeBlocks transposes the first rows and inputs of w (rows, k) into a panel and
// returns how many of each it did. It leaves the rest, which fills no vector register.
func transposeBlocks(panel, w []float32, ldw, rows, k int) (int, int) {
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
			transposeAVX512(&panel[r], &w[r*ldw], ldw, k)
		} else {
			transposeAVX2(&panel[r], &w[r*ldw], ldw, k)
		}
	}
	return rows, k
}

// The functions below run the operations that their generic forms define on the level
// in use.

func epilogue(c []float32, ldc, rows int, bias []float32, act Activation, residual []float32, ldr int) {
	if isa == generic {
		epilogueGeneric(c, ldc, rows, bias, act, residual, ldr)
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
		epilogueAVX512(&c[0], ldc, rows, b, int(act), r, ldr)
	} else {
		epilogueAVX2(&c[0], ldc, rows, b, int(act), r, ldr)
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

// maxCall is the maximum number of elements in one call of the element-wise assembly,
// which cannot be preempted. It takes multiples of 16; the generic form does the rest.
const maxCall = 1 << 16

func add(dst, x []float32) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, maxCall)
		if isa >= avx512 {
			addAVX512(&dst[0], &x[0], n)
		} else {
			addAVX2(&dst[0], &x[0], n)
		}
		dst, x = dst[n:], x[n:]
	}
	addGeneric(dst, x)
}

func toFloat16(dst []uint16, src []float32, f Format) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, maxCall)
		switch {
		case isa >= avx512 && f == BF16:
			toBF16AVX512(&dst[0], &src[0], n)
		case isa >= avx512:
			toF16AVX512(&dst[0], &src[0], n)
		case f == BF16:
			toBF16AVX2(&dst[0], &src[0], n)
		default:
			toF16AVX2(&dst[0], &src[0], n)
		}
		dst, src = dst[n:], src[n:]
	}
	toFloat16Generic(dst, src, f)
}

func fromFloat16(dst []float32, src []uint16, f Format) {
	for isa > generic && len(dst) >= 16 {
		n := min(len(dst)&^15, maxCall)
		switch {
		case isa >= avx512 && f == BF16:
			fromBF16AVX512(&dst[0], &src[0], n)
		case isa >= avx512:
			fromF16AVX512(&dst[0], &src[0], n)
		case f == BF16:
			fromBF16AVX2(&dst[0], &src[0], n)
		default:
			fromF16AVX2(&dst[0], &src[0], n)
		}
		dst, src = dst[n:], src[n:]
	}
	fromFloat16Generic(dst, src, f)
}

// fmaRounds does multiply-adds and returns the number of operations.
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

// readAll reads x, whose length is a multiple of 128.
func readAll(x []float32) {
	if isa >= avx512 {
		readAVX512(&x[0], len(x))
	} else if isa >= avx2 {
		readAVX2(&x[0], len(x))
	} else {
		readGeneric(x)
	}
}
