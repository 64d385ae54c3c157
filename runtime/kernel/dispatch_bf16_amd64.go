//go:build !purego

package kernel

// multipliesBF16 reports whether the level in use has tileBF16. On other levels BF16
// products are float32 products of rounded factors.
func multipliesBF16() bool { return isa >= avx512bf16 }

// tileRowsBF16 returns the maximum number of rows in a tile of tileBF16.
func tileRowsBF16() int {
	if isa >= amx {
		return 32
	}
	return 12
}

// tileBF16 computes c (rows, 32) = [c +] x (rows, k) · pairs (k/2, 32, 2). The length
// of pairs determines k, a multiple of 32; ldx is in elements.
func tileBF16(c []float32, ldc int, x []uint16, ldx int, pairs []uint16, rows int, load bool) {
	k := len(pairs) / Panel
	if k == 0 {
		tileGeneric(c, ldc, nil, 0, nil, rows, 0, load)
		return
	}
	_, _ = c[(rows-1)*ldc+Panel-1], x[(rows-1)*ldx+k-1]
	if isa >= amx {
		tileAMX(&c[0], ldc, &x[0], ldx, &pairs[0], rows, k/32, load, &tileConfigs[rows])
	} else {
		tileBF16AVX512(&c[0], ldc, &x[0], ldx/2, &pairs[0], rows, k/2, load)
	}
}

// unpackPairs runs unpackPairsGeneric on the level in use.
func unpackPairs(dst []float32, pairs []uint16) {
	if len(pairs) == 0 {
		return
	}
	_ = dst[len(pairs)-1]
	if isa >= avx512 {
		unpackPairsAVX512(&dst[0], &pairs[0], len(pairs)/(2*Panel))
	} else if isa >= avx2 {
		unpackPairsAVX2(&dst[0], &pairs[0], len(pairs)/(2*Panel))
	} else {
		unpackPairsGeneric(dst, pairs)
	}
}

// packPairs runs packPairsGeneric on the level in use.
func packPairs(pairs []uint16, src []float32) {
	if len(src) == 0 {
		return
	}
	_ = pairs[len(src)-1]
	if isa >= avx512 {
		packPairsAVX512(&pairs[0], &src[0], len(src)/(2*Panel))
	} else if isa >= avx2 {
		packPairsAVX2(&pairs[0], &src[0], len(src)/(2*Panel))
	} else {
		packPairsGeneric(pairs, src)
	}
}

// packPairsNative is packPairs, except that denormals become zero. It requires
// multipliesBF16.
func packPairsNative(pairs []uint16, src []float32) {
	if n := len(src) / (2 * Panel); n > 0 {
		_ = pairs[n*2*Panel-1]
		packPairsNativeAVX512(&pairs[0], &src[0], n)
	}
}

// interleaveBF16 interleaves src (k, 32), BF16 with row stride lds, to pairs (k/2, 32, 2).
// The length of pairs determines k, which is even. It requires multipliesBF16.
func interleaveBF16(pairs, src []uint16, lds int) {
	if n := len(pairs) / (2 * Panel); n > 0 {
		_ = src[(2*n-1)*lds+Panel-1]
		pairBF16AVX512(&pairs[0], &src[0], lds, n)
	}
}

// roundBF16 rounds src to BF16; denormals become zero. It requires multipliesBF16.
func roundBF16(dst []uint16, src []float32) {
	if n := len(src) &^ 31; n > 0 {
		_ = dst[n-1]
		roundTileAVX512(&dst[0], Panel, &src[0], n/Panel)
		dst, src = dst[n:], src[n:]
	}
	toFloat16(dst, src, BF16)
}

// roundTile rounds a tile (rows, 32) to BF16; with multipliesBF16, denormals become
// zero.
func roundTile(dst []uint16, ldd int, tile []float32, rows int) {
	if !multipliesBF16() {
		roundTileGeneric(dst, ldd, tile, rows)
		return
	}
	_, _ = dst[(rows-1)*ldd+Panel-1], tile[rows*Panel-1]
	roundTileAVX512(&dst[0], ldd, &tile[0], rows)
}

// bf16Rounds does BF16 dot products and returns the number of operations.
func bf16Rounds(rounds int) float64 {
	if isa >= amx {
		const tiles, products = 4, 16 * 16 * 32
		dotAMX(rounds, &tileConfigs[32])
		return float64(rounds) * tiles * products * 2
	}
	const sums, products = 12, 32
	dotBF16AVX512(rounds)
	return float64(rounds) * sums * products * 2
}

// tileConfigs are AMX's tile configurations by number of rows.
var tileConfigs = makeTileConfigs()

func makeTileConfigs() (configs [33][64]byte) {
	for rows := 1; rows <= 32; rows++ {
		upper, lower := min(rows, 16), max(rows-16, 0)
		c := &configs[rows]
		c[0] = 1 // the palette
		for tile, height := range [8]int{upper, upper, lower, lower, upper, lower, 16, 16} {
			if height > 0 {
				c[16+2*tile], c[48+tile] = 64, byte(height) // bytes in a row, rows
			}
		}
	}
	return configs
}
