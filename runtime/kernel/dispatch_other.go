//go:build !amd64 || purego

package kernel

func detect() []level { return []level{generic} }

func tileRows() int { return genericTileRows }

func tile(c []float32, ldc int, x []float32, ldx int, panel []float32, rows, k int, load bool) {
	tileGeneric(c, ldc, x, ldx, panel, rows, k, load)
}

func turn([]float32, []float32, int, int, int) (int, int) { return 0, 0 }

func finish(c []float32, ldc, rows int, bias []float32, act Activation, residual []float32, ldr int) {
	finishGeneric(c, ldc, rows, bias, act, residual, ldr)
}

func layerNorm(dst, x, gamma, beta []float32, eps float32) {
	layerNormGeneric(dst, x, gamma, beta, eps)
}

func softmax(x []float32, scale float32) { softmaxGeneric(x, scale) }

func add(dst, x []float32) { addGeneric(dst, x) }

func toHalf(dst []uint16, src []float32, h Half) { toHalfGeneric(dst, src, h) }

func fromHalf(dst []float32, src []uint16, h Half) { fromHalfGeneric(dst, src, h) }

func combine(dst *[Panel]float32, from []float32, places []int32, values []float32) {
	combineGeneric(dst, from, places, values)
}

func scatter(dst []float32, places []int32, values []float32, from *[Panel]float32) {
	scatterGeneric(dst, places, values, from)
}

func pick(dst, from []uint16, places []int32) { pickGeneric(dst, from, places) }

func gather(dst []uint16, ldd int, src []uint16, lds int, columns []int32, rows int) {
	gatherGeneric(dst, ldd, src, lds, columns, rows)
}

func fmaRounds(rounds int) float64 { return fmaRoundsGeneric(rounds) }

func readAll(x []float32) { readGeneric(x) }

func multipliesBF16() bool { return false }

func tileRowsBF16() int { return genericTileRows }

func tileBF16([]float32, int, []uint16, int, []uint16, int, bool) {
	panic("kernel: no BF16 products here")
}

func splitPairs(dst []float32, pairs []uint16) { splitPairsGeneric(dst, pairs) }

func bf16Rounds(int) float64 { return 0 }

func joinPairs(pairs []uint16, src []float32) { joinPairsGeneric(pairs, src) }

func roundBF16(dst []uint16, src []float32) { toHalfGeneric(dst, src, BF16) }

func roundTile(dst []uint16, ldd int, tile []float32, rows int) {
	roundTileGeneric(dst, ldd, tile, rows)
}

func roundPairsBF16(pairs []uint16, src []float32) { joinPairsGeneric(pairs, src) }

func pairBF16(pairs, src []uint16, lds int) { pairGeneric(pairs, src, lds) }

func prefetch([]uint16) {}

func prefetchToWrite([]uint16) {}
