package main

// fromBF16: a BF16 number is the upper half of the float32's bits.
func fromBF16(a *asm) {
	a.convert("fromBF16", "dst *float32, src *uint16, n int", a.bytes/2, a.bytes, func() {
		a.o("VPMOVZXWD (SI), %s", a.r(0))
		a.o("VPSLLD $16, %s, %s", a.r(0), a.r(0))
		a.o("VMOVUPS %s, (DI)", a.r(0))
	})
}

// fromF16 uses F16C.
func fromF16(a *asm) {
	a.convert("fromF16", "dst *float32, src *uint16, n int", a.bytes/2, a.bytes, func() {
		a.o("VCVTPH2PS (SI), %s", a.r(0))
		a.o("VMOVUPS %s, (DI)", a.r(0))
	})
}

// toF16 uses F16C, rounding to nearest even.
func toF16(a *asm) {
	half := "Y0"
	if !a.is512() {
		half = "X0"
	}
	a.convert("toF16", "dst *uint16, src *float32, n int", a.bytes, a.bytes/2, func() {
		a.o("VMOVUPS (SI), %s", a.r(0))
		a.o("VCVTPS2PH $0, %s, %s", a.r(0), half)
		a.o("VMOVDQU %s, (DI)", half)
	})
}

// toBF16 rounds to nearest even.
func toBF16(a *asm) {
	x := a.r(0)
	a.convert("toBF16", "dst *uint16, src *float32, n int", a.bytes, a.bytes/2, func() {
		a.o("VMOVUPS (SI), %s", x)
		a.roundBF16(x)
		a.o("VPSRLD $16, %s, %s", x, x)
		if a.is512() {
			a.o("VPMOVDW %s, (DI)", x)
			return
		}
		a.comment("VPACKUSDW packs within each 128 bits, so the words are in quarters 0 and 2")
		a.o("VPACKUSDW %s, %s, %s", x, x, x)
		a.o("VPERMQ $0x08, %s, %s", x, x)
		a.o("VMOVDQU X0, (DI)")
	})
}

// convert writes a loop that converts one register's lanes per round, reading in
// bytes at SI and writing out bytes at DI; n is a multiple of 16.
func (a *asm) convert(name, params string, in, out int, body func()) {
	a.function(name, params, 24)
	a.args("dst DI", "src SI", "n CX")
	a.loop(a.lanes(), func() {
		body()
		a.move(in, out)
	})
	a.ret()
}

// roundBF16 rounds x to BF16 in the upper half of each lane, with registers 5 to
// 7 as scratch. It adds 0x7fff plus the lowest bit that is kept; a NaN is made
// quiet instead.
func (a *asm) roundBF16(x string) {
	odd, quiet := a.r(5), a.r(6)
	a.o("VPSRLD $16, %s, %s", x, odd)
	if a.is512() {
		a.o("VCMPPS $3, %s, %s, K1", x, x)
		a.c("VPORD", "cQuiet", x, quiet)
	} else {
		a.o("VCMPPS $3, %s, %s, Y7", x, x)
		a.c("VPOR", "cQuiet", x, quiet)
	}
	a.and("cLowestBit", odd, odd)
	a.o("VPADDD %s, %s, %s", odd, x, x)
	a.c("VPADDD", "cBelowHalf", x, x)
	if a.is512() {
		a.o("VMOVDQA32 %s, K1, %s", quiet, x)
	} else {
		a.o("VBLENDVPS Y7, %s, %s, %s", quiet, x, x)
	}
}
