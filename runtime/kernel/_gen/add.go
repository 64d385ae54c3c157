package main

// add: dst += x in whole registers; n is a multiple of 16.
func add(a *asm) {
	a.function("add", "dst, x *float32, n int", 24)
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
