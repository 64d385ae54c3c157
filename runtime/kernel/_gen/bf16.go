package main

// bf16: conversions where the processor rounds to BF16 itself. Denormals become
// zero, as they count in its products.
func bf16(a *asm) {
	roundTile(a)
	roundPairsBF16(a)
	pairBF16(a)
}

// roundTile: rows of 32 elements, those of dst ldd elements apart.
func roundTile(a *asm) {
	a.function("func roundTile(dst *uint16, ldd int, tile *float32, rows int)", "roundTile", 32)
	a.o("MOVQ dst+0(FP), DI")
	a.o("MOVQ ldd+8(FP), R8")
	a.o("MOVQ tile+16(FP), SI")
	a.o("MOVQ rows+24(FP), CX")
	a.o("SHLQ $1, R8")
	next := a.newLabel("next")
	a.label(next)
	a.o("VMOVUPS (SI), Z0")
	a.o("VMOVUPS 64(SI), Z1")
	a.narrowBF16(0, 1, 2)
	a.o("VMOVUPS Z2, (DI)")
	a.o("ADDQ $128, SI")
	a.o("ADDQ R8, DI")
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}

// roundPairsBF16: n times two rows of 32 float32s become 32 pairs.
func roundPairsBF16(a *asm) {
	a.function("func roundPairsBF16(pairs *uint16, src *float32, n int)", "roundPairsBF16", 24)
	a.o("MOVQ pairs+0(FP), DI")
	a.o("MOVQ src+8(FP), SI")
	a.o("MOVQ n+16(FP), CX")
	a.o("VMOVDQU16 ·pairOrder(SB), Z3")
	next := a.newLabel("next")
	a.label(next)
	for v := range 2 {
		a.o("VMOVUPS %d(SI), Z0", 64*v)
		a.o("VMOVUPS %d(SI), Z1", 128+64*v)
		a.narrowBF16(0, 1, 2)
		a.o("VPERMW Z2, Z3, Z2")
		a.o("VMOVUPS Z2, %d(DI)", 64*v)
	}
	a.o("ADDQ $256, SI")
	a.o("ADDQ $128, DI")
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}

// pairBF16: n times two rows of 32 BF16s, lds elements apart, become 32 pairs.
func pairBF16(a *asm) {
	a.function("func pairBF16(pairs, src *uint16, lds, n int)", "pairBF16", 32)
	a.o("MOVQ pairs+0(FP), DI")
	a.o("MOVQ src+8(FP), SI")
	a.o("MOVQ lds+16(FP), R8")
	a.o("MOVQ n+24(FP), CX")
	a.o("SHLQ $1, R8")
	next := a.newLabel("next")
	a.label(next)
	for v := range 2 {
		a.o("VPMOVZXWD %d(SI), Z0", 32*v)
		a.o("VPMOVZXWD %d(SI)(R8*1), Z1", 32*v)
		a.o("VPSLLD $16, Z1, Z1")
		a.o("VPORD Z1, Z0, Z0")
		a.o("VMOVUPS Z0, %d(DI)", 64*v)
	}
	a.o("LEAQ (SI)(R8*2), SI")
	a.o("ADDQ $128, DI")
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}
