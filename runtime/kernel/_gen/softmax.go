package main

// softmax makes three passes over the row: the maximum, then the exponentials and
// their sum, then the division.
func softmax(a *asm) {
	a.function("softmax", "x *float32, cols int, scale float32", 20)
	a.args("x SI", "cols R9")
	scale, highest, sum, value := a.r(7), a.r(0), a.r(2), a.r(3)
	a.o("VBROADCASTSS scale+16(FP), %s", scale)
	a.broadcast("cMinusInf", highest)
	a.o("VMOVAPS %s, %s", highest, a.r(1))
	a.eachVector(2, func(i int, tail bool) {
		if tail {
			a.comment("lanes beyond the row are −∞, which changes no maximum")
			a.loadTail(vectorAt("SI", i, a.bytes), value)
			a.o("VMULPS %s, %s, %s", scale, value, value)
			a.lowerTail(value)
		} else {
			a.o("VMULPS %s, %s, %s", vectorAt("SI", i, a.bytes), scale, value)
		}
		a.o("VMAXPS %s, %s, %s", value, a.r(i), a.r(i))
	})
	a.o("VMAXPS %s, %s, %s", a.r(1), highest, highest)
	a.reduce("VMAXPS", 0, 1)

	a.zero(sum)
	a.eachVector(1, func(i int, tail bool) {
		if tail {
			a.loadTail(vectorAt("SI", i, a.bytes), value)
		} else {
			a.o("VMOVUPS %s, %s", vectorAt("SI", i, a.bytes), value)
		}
		a.o("VFMSUB213PS %s, %s, %s", highest, scale, value)
		a.exp(value, a.r(5), a.r(6))
		if tail {
			a.keepTail(value)
			a.storeTail(value, vectorAt("SI", i, a.bytes))
		} else {
			a.o("VMOVUPS %s, %s", value, vectorAt("SI", i, a.bytes))
		}
		a.o("VADDPS %s, %s, %s", value, sum, sum)
	})
	a.reduce("VADDPS", 2, 1)
	a.broadcast("cOne", value)
	a.o("VDIVPS %s, %s, %s", sum, value, scale)

	a.eachVector(1, func(i int, tail bool) {
		if tail {
			a.loadTail(vectorAt("SI", i, a.bytes), value)
			a.o("VMULPS %s, %s, %s", scale, value, value)
			a.storeTail(value, vectorAt("SI", i, a.bytes))
			return
		}
		a.o("VMULPS %s, %s, %s", vectorAt("SI", i, a.bytes), scale, value)
		a.o("VMOVUPS %s, %s", value, vectorAt("SI", i, a.bytes))
	})
	a.ret()
}

// lowerTail sets the lanes that are not masked to −∞.
func (a *asm) lowerTail(r string) {
	if a.is512() {
		a.broadcast("cMinusInf", a.r(4))
		a.o("VMOVAPS %s, K1, %s", r, a.r(4))
		a.o("VMOVAPS %s, %s", a.r(4), r)
		return
	}
	a.broadcast("cMinusInf", "Y4")
	a.o("VBLENDVPS Y14, %s, Y4, %s", r, r)
}
