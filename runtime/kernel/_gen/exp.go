package main

// exp replaces x by e^x, with n and p as scratch (and Y15 on AVX2). The steps are
// those of exp32 in activation.go, except that AVX-512 yields denormals where
// exp32 yields zero.
func (a *asm) exp(x, n, p string) {
	low := "cExpLowest"
	if !a.is512() {
		low = "cExpLow"
		a.comment("Y15 masks the lanes that are not below expLow; a NaN is not below it")
		a.o("VCMPPS $5, ·constants+const_cExpLow(SB), %s, Y15", x)
	}
	a.clamp("VMAXPS", low, x, n)
	a.clamp("VMINPS", "cExpHigh", x, n)
	a.c("VMULPS", "cLog2e", x, n)
	if a.is512() {
		a.o("VRNDSCALEPS $8, %s, %s", n, n)
	} else {
		a.o("VROUNDPS $8, %s, %s", n, n)
	}
	a.c("VFNMADD231PS", "cLn2High", n, x)
	a.c("VFNMADD231PS", "cLn2Low", n, x)
	a.broadcast("cExp0", p)
	for _, c := range []string{"cExp1", "cExp2", "cExp3", "cExp4", "cExp5", "cOne", "cOne"} {
		a.c("VFMADD213PS", c, x, p)
	}
	if a.is512() {
		a.o("VSCALEFPS %s, %s, %s", n, p, x)
		return
	}
	a.o("VCVTPS2DQ %s, %s", n, n)
	a.c("VPADDD", "cExpBias", n, n)
	a.o("VPSLLD $23, %s, %s", n, n)
	a.o("VMULPS %s, %s, %s", n, p, x)
	a.o("VANDPS Y15, %s, %s", x, x)
}

// clamp sets x to the minimum or maximum of x and a constant. VMINPS and VMAXPS
// return their last source for a NaN, so x comes last and a NaN is kept.
func (a *asm) clamp(op, constant, x, scratch string) {
	a.broadcast(constant, scratch)
	a.o("%s %s, %s, %s", op, x, scratch, x)
}
