//go:build !amd64 || purego

package kernel

func detect() []level { return []level{generic} }

func tileRows() int { return genericTileRows }

func tile(c []float32, ldc int, x []float32, ldx int, panel []float32, rows, k int, load bool) {
	tileGeneric(c, ldc, x, ldx, panel, rows, k, load)
}

func transposeBlocks([]float32, []float32, int, int, int) (int, int) { return 0, 0 }

func epilogue(c []float32, ldc, rows int, bias []float32, act Activation, residual []float32, ldr int) {
	epilogueGeneric(c, ldc, rows, bias, act, residual, ldr)
}

func layerNorm(dst, x, gamma, beta []float32, eps float32) {
	layerNormGeneric(dst, x, gamma, beta, eps)
}

func softmax(x []float32, scale float32) { softmaxGeneric(x, scale) }

func add(dst, x []float32) { addGeneric(dst, x) }

func toFloat16(dst []uint16, src []float32, f Format) { toFloat16Generic(dst, src, f) }

func fromFloat16(dst []float32, src []uint16, f Format) { fromFloat16Generic(dst, src, f) }

func combine(dst *[Panel]float32, from []float32, indices []int32, values []float32) {
	combineGeneric(dst, from, indices, values)
}

func scatterAdd(dst []float32, indices []int32, values []float32, from *[Panel]float32) {
	scatterAddGeneric(dst, indices, values, from)
}

func gatherRows(dst, from []uint16, indices []int32) { gatherRowsGeneric(dst, from, indices) }

func gatherColumns(dst []uint16, ldd int, src []uint16, lds int, columns []int32, rows int) {
	gatherColumnsGeneric(dst, ldd, src, lds, columns, rows)
}

func fmaRounds(rounds int) float64 { return fmaRoundsGeneric(rounds) }

func readAll(x []float32) { readGeneric(x) }

func multipliesBF16() bool { return false }

func tileRowsBF16() int { return genericTileRows }

func tileBF16([]float32, int, []uint16, int, []uint16, int, bool) {
	panic("kernel: tileBF16 requires multipliesBF16")
}

func unpackPairs(dst []float32, pairs []uint16) { unpackPairsGeneric(dst, pairs) }

func bf16Rounds(int) float64 { return 0 }

func packPairs(pairs []uint16, src []float32) { packPairsGeneric(pairs, src) }

func roundBF16(dst []uint16, src []float32) { toFloat16Generic(dst, src, BF16) }

func roundTile(dst []uint16, ldd int, tile []float32, rows int) {
	roundTileGeneric(dst, ldd, tile, rows)
}

func packPairsNative(pairs []uint16, src []float32) { packPairsGeneric(pairs, src) }

func interleaveBF16(pairs, src []uint16, lds int) { pairGeneric(pairs, src, lds) }

func prefetch([]uint16) {}

func prefetchToWrite([]uint16) {}
