package main

// half: conversions of whole registers; n is a multiple of 16.
func half(a *asm) {
	half := "Y0"
	if !a.wide() {
		half = "X0"
	}
	loop := func(doc, name string, narrow bool, body func()) {
		a.function(doc, name, 24)
		a.o("MOVQ dst+0(FP), DI")
		a.o("MOVQ src+8(FP), SI")
		a.o("MOVQ n+16(FP), CX")
		next := a.newLabel("next")
		a.label(next)
		body()
		in, out := a.bytes/2, a.bytes
		if narrow {
			in, out = out, in
		}
		a.o("ADDQ $%d, SI", in)
		a.o("ADDQ $%d, DI", out)
		a.o("SUBQ $%d, CX", a.lanes())
		a.o("JNZ  %s", next)
		a.ret()
	}
	loop("func fromBF16(dst *float32, src *uint16, n int)", "fromBF16", false, func() {
		a.o("VPMOVZXWD (SI), %s", a.r(0))
		a.o("VPSLLD $16, %s, %s", a.r(0), a.r(0))
		a.o("VMOVUPS %s, (DI)", a.r(0))
	})
	loop("func fromF16(dst *float32, src *uint16, n int)", "fromF16", false, func() {
		a.o("VCVTPH2PS (SI), %s", a.r(0))
		a.o("VMOVUPS %s, (DI)", a.r(0))
	})
	loop("func toF16(dst *uint16, src *float32, n int)", "toF16", true, func() {
		a.o("VMOVUPS (SI), %s", a.r(0))
		a.o("VCVTPS2PH $0, %s, %s", a.r(0), half)
		a.o("VMOVDQU %s, (DI)", half)
	})
	loop("func toBF16(dst *uint16, src *float32, n int)", "toBF16", true, func() { toBF16(a) })
}

func toBF16(a *asm) {
	x := a.r(0)
	a.o("VMOVUPS (SI), %s", x)
	a.roundBF16(x)
	a.o("VPSRLD $16, %s, %s", x, x)
	if a.wide() {
		a.o("VPMOVDW %s, (DI)", x)
		return
	}
	a.comment("packing works within each 128 bits; the words wanted are quarters 0 and 2")
	a.o("VPACKUSDW %s, %s, %s", x, x, x)
	a.o("VPERMQ $0x08, %s, %s", x, x)
	a.o("VMOVDQU X0, (DI)")
}

// roundBF16 leaves x rounded in its upper halves, with registers 5 to 7 as
// scratch: it adds 0x7fff and the lowest bit that stays; NaNs are made quiet
// instead.
func (a *asm) roundBF16(x string) {
	odd, quiet := a.r(5), a.r(6)
	a.o("VPSRLD $16, %s, %s", x, odd)
	if a.wide() {
		a.o("VCMPPS $3, %s, %s, K1", x, x)
		a.c("VPORD", "cQuiet", x, quiet)
	} else {
		a.o("VCMPPS $3, %s, %s, Y7", x, x)
		a.c("VPOR", "cQuiet", x, quiet)
	}
	a.and("cLowestBit", odd, odd)
	a.o("VPADDD %s, %s, %s", odd, x, x)
	a.c("VPADDD", "cBelowHalf", x, x)
	if a.wide() {
		a.o("VMOVDQA32 %s, K1, %s", quiet, x)
	} else {
		a.o("VBLENDVPS Y7, %s, %s, %s", quiet, x, x)
	}
}

// add: dst += x over whole registers; n is a multiple of 16.
func add(a *asm) {
	a.function("func add(dst, x *float32, n int)", "add", 24)
	a.o("MOVQ dst+0(FP), DI")
	a.o("MOVQ x+8(FP), SI")
	a.o("MOVQ n+16(FP), CX")
	next := a.newLabel("next")
	a.label(next)
	a.o("VMOVUPS (DI), %s", a.r(0))
	a.o("VADDPS (SI), %s, %s", a.r(0), a.r(0))
	a.o("VMOVUPS %s, (DI)", a.r(0))
	a.o("ADDQ $%d, SI", a.bytes)
	a.o("ADDQ $%d, DI", a.bytes)
	a.o("SUBQ $%d, CX", a.lanes())
	a.o("JNZ  %s", next)
	a.ret()
}

// pairs: between rows of float32 and pairs of BF16.
func pairs(a *asm) {
	joinPairs(a)
	splitPairs(a)
}

// joinPairs: n times two rows of 32 float32s become 32 pairs of BF16.
func joinPairs(a *asm) {
	a.function("func joinPairs(pairs *uint16, src *float32, n int)", "joinPairs", 24)
	a.o("MOVQ pairs+0(FP), DI")
	a.o("MOVQ src+8(FP), SI")
	a.o("MOVQ n+16(FP), CX")
	next := a.newLabel("next")
	a.label(next)
	first, second := a.r(0), a.r(1)
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
	a.o("ADDQ $256, SI")
	a.o("ADDQ $128, DI")
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}

// splitPairs: n times 32 pairs of BF16 become two rows of 32 float32s.
func splitPairs(a *asm) {
	a.function("func splitPairs(dst *float32, pairs *uint16, n int)", "splitPairs", 24)
	a.o("MOVQ dst+0(FP), DI")
	a.o("MOVQ pairs+8(FP), SI")
	a.o("MOVQ n+16(FP), CX")
	next := a.newLabel("next")
	a.label(next)
	pair, first, second := a.r(0), a.r(1), a.r(2)
	for v := range 128 / a.bytes {
		a.o("VMOVUPS %d(SI), %s", v*a.bytes, pair)
		a.o("VPSLLD $16, %s, %s", pair, first)
		a.and("cUpperHalf", pair, second)
		a.o("VMOVUPS %s, %d(DI)", first, v*a.bytes)
		a.o("VMOVUPS %s, %d(DI)", second, 128+v*a.bytes)
	}
	a.o("ADDQ $128, SI")
	a.o("ADDQ $256, DI")
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}
