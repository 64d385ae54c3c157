package main

// Conversions with the processor's own rounding to BF16 (AVX512-BF16), which
// makes denormals zero, as its dot products do.

// roundTile rounds rows of 32 float32s to BF16, ldd elements apart in dst.
func roundTile(a *asm) {
	a.function("roundTile", "dst *uint16, ldd int, tile *float32, rows int", 32)
	a.args("dst DI", "ldd R8", "tile SI", "rows CX")
	a.o("SHLQ $1, R8")
	a.loop(1, func() {
		a.o("VMOVUPS (SI), Z0")
		a.o("VMOVUPS 64(SI), Z1")
		a.cvtBF16(0, 1, 2)
		a.o("VMOVUPS Z2, (DI)")
		a.o("ADDQ $128, SI")
		a.o("ADDQ R8, DI")
	})
	a.ret()
}

// packPairsNative is packPairs with the processor's rounding.
func packPairsNative(a *asm) {
	a.function("packPairsNative", "pairs *uint16, src *float32, n int", 24)
	a.args("pairs DI", "src SI", "n CX")
	a.o("VMOVDQU16 ·pairOrder(SB), Z3")
	a.loop(1, func() {
		for v := range 2 {
			a.o("VMOVUPS %d(SI), Z0", 64*v)
			a.o("VMOVUPS %d(SI), Z1", 128+64*v)
			a.cvtBF16(0, 1, 2)
			a.o("VPERMW Z2, Z3, Z2")
			a.o("VMOVUPS Z2, %d(DI)", 64*v)
		}
		a.move(256, 128)
	})
	a.ret()
}

// pairBF16 interleaves two rows of 32 BF16 numbers, lds elements apart, to 32
// pairs.
func pairBF16(a *asm) {
	a.function("pairBF16", "pairs, src *uint16, lds, n int", 32)
	a.args("pairs DI", "src SI", "lds R8", "n CX")
	a.o("SHLQ $1, R8")
	a.loop(1, func() {
		for v := range 2 {
			a.o("VPMOVZXWD %d(SI), Z0", 32*v)
			a.o("VPMOVZXWD %d(SI)(R8*1), Z1", 32*v)
			a.o("VPSLLD $16, Z1, Z1")
			a.o("VPORD Z1, Z0, Z0")
			a.o("VMOVUPS Z0, %d(DI)", 64*v)
		}
		a.o("LEAQ (SI)(R8*2), SI")
		a.o("ADDQ $128, DI")
	})
	a.ret()
}
