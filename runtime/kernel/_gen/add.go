package main

// add: dst += x in whole registers; n is a multiple of 16.
func add(a *asm) {
	a.function("add", "dst, x *float32, n int", 24)
	a.args("dst DI", "x SI", "n CX")
	a.loop(a.lanes(), func() {
		a.o("VMOVUPS (DI), %s", a.r(0))
		a.o("VADDPS (SI), %s, %s", a.r(0), a.r(0))
		a.o("VMOVUPS %s, (DI)", a.r(0))
		a.move(a.bytes, a.bytes)
	})
	a.ret()
}
