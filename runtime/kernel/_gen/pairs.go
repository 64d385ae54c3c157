package main

// The pairs layout of BF16 weights: 32 outputs, two consecutive inputs each.
// n counts the pairs of inputs.

// packPairs rounds two rows of 32 float32s to 32 BF16 pairs.
func packPairs(a *asm) {
	a.function("packPairs", "pairs *uint16, src *float32, n int", 24)
	a.args("pairs DI", "src SI", "n CX")
	first, second := a.r(0), a.r(1)
	a.loop(1, func() {
		for v := range 128 / a.bytes {
			a.o("VMOVUPS %d(SI), %s", v*a.bytes, first)
			a.o("VMOVUPS %d(SI), %s", 128+v*a.bytes, second)
			a.roundBF16(first)
			a.roundBF16(second)
			a.o("VPSRLD $16, %s, %s", first, first)
			a.and("cUpperHalf", second, second)
			a.o("VORPS %s, %s, %s", first, second, second)
			a.o("VMOVUPS %s, %d(DI)", second, v*a.bytes)
		}
		a.move(256, 128)
	})
	a.ret()
}

// unpackPairs converts 32 BF16 pairs to two rows of 32 float32s.
func unpackPairs(a *asm) {
	a.function("unpackPairs", "dst *float32, pairs *uint16, n int", 24)
	a.args("dst DI", "pairs SI", "n CX")
	pair, first, second := a.r(0), a.r(1), a.r(2)
	a.loop(1, func() {
		for v := range 128 / a.bytes {
			a.o("VMOVUPS %d(SI), %s", v*a.bytes, pair)
			a.o("VPSLLD $16, %s, %s", pair, first)
			a.and("cUpperHalf", pair, second)
			a.o("VMOVUPS %s, %d(DI)", first, v*a.bytes)
			a.o("VMOVUPS %s, %d(DI)", second, 128+v*a.bytes)
		}
		a.move(128, 256)
	})
	a.ret()
}
