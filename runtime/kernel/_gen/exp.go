package main

// exp replaces x by e^x, with n and p as scratch (and Y15 for AVX2). The steps
// are exp32's, except that AVX-512 gives denormals where exp32 gives zero.
func (a *asm) exp(x, n, p string) {
	low := "cExpLowest"
	if !a.wide() {
		low = "cExpLow"
		a.comment("not less than the least; a NaN is not less")
		a.o("VCMPPS $5, ·vectors+const_cExpLow(SB), %s, Y15", x)
	}
	a.clamp("VMAXPS", low, x, n)
	a.clamp("VMINPS", "cExpHigh", x, n)
	a.c("VMULPS", "cLog2e", x, n)
	if a.wide() {
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
	if a.wide() {
		a.o("VSCALEFPS %s, %s, %s", n, p, x)
		return
	}
	a.o("VCVTPS2DQ %s, %s", n, n)
	a.c("VPADDD", "cExpBias", n, n)
	a.o("VPSLLD $23, %s, %s", n, n)
	a.o("VMULPS %s, %s, %s", n, p, x)
	a.o("VANDPS Y15, %s, %s", x, x)
}

// clamp takes the lesser or greater of x and a constant; a NaN stays, because
// it is the last source.
func (a *asm) clamp(op, constant, x, scratch string) {
	a.broadcast(constant, scratch)
	a.o("%s %s, %s, %s", op, x, scratch, x)
}

// broadcast fills r with a constant of the table.
func (a *asm) broadcast(constant, r string) {
	a.o("VBROADCASTSS ·vectors+const_%s(SB), %s", constant, r)
}

func (a *asm) and(constant, x, dst string) {
	if a.wide() {
		a.c("VPANDD", constant, x, dst)
	} else {
		a.c("VANDPS", constant, x, dst)
	}
}
