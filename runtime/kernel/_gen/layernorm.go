package main

import "fmt"

// vectorAt returns the address of the i-th register of the group that eachVector
// is at, in the row that base points to.
func vectorAt(base string, i, bytes int) string { return fmt.Sprintf("%d(%s)(R8*1)", i*bytes, base) }

// layerNorm makes two passes over the row for mean and variance, each in four
// registers of partial sums, and a third to write the result.
func layerNorm(a *asm) {
	a.function("layerNorm", "dst, x, gamma, beta *float32, cols int, eps float32", 44)
	a.args("dst DI", "x SI", "gamma BX", "beta DX", "cols R9")
	mean, scale, value := a.r(4), a.r(5), a.r(6)
	a.o("VCVTSI2SSQ R9, X7, X7")
	a.o("VBROADCASTSS X7, %s", a.r(7))

	a.sums(func(sum string, i int, tail bool) {
		if tail {
			a.loadTail(vectorAt("SI", i, a.bytes), value)
			a.o("VADDPS %s, %s, %s", value, sum, sum)
			return
		}
		a.o("VADDPS %s, %s, %s", vectorAt("SI", i, a.bytes), sum, sum)
	})
	a.o("VDIVPS %s, %s, %s", a.r(7), a.r(0), mean)

	a.sums(func(sum string, i int, tail bool) {
		if tail {
			a.loadTail(vectorAt("SI", i, a.bytes), value)
		} else {
			a.o("VMOVUPS %s, %s", vectorAt("SI", i, a.bytes), value)
		}
		a.o("VSUBPS %s, %s, %s", mean, value, value)
		if tail {
			a.keepTail(value)
		}
		a.o("VFMADD231PS %s, %s, %s", value, value, sum)
	})
	a.o("VDIVPS %s, %s, %s", a.r(7), a.r(0), scale)
	a.o("VBROADCASTSS eps+40(FP), %s", value)
	a.o("VADDPS %s, %s, %s", value, scale, scale)
	a.o("VSQRTPS %s, %s", scale, scale)
	a.broadcast("cOne", value)
	a.o("VDIVPS %s, %s, %s", scale, value, scale)

	gamma, beta := a.r(8), a.r(9)
	a.eachVector(1, func(i int, tail bool) {
		load := func(base, r string) { a.o("VMOVUPS %s, %s", vectorAt(base, i, a.bytes), r) }
		if tail {
			load = func(base, r string) { a.loadTail(vectorAt(base, i, a.bytes), r) }
		}
		load("SI", value)
		load("BX", gamma)
		load("DX", beta)
		a.o("VSUBPS %s, %s, %s", mean, value, value)
		a.o("VMULPS %s, %s, %s", scale, value, value)
		a.o("VFMADD213PS %s, %s, %s", beta, gamma, value)
		if tail {
			a.storeTail(value, vectorAt("DI", i, a.bytes))
		} else {
			a.o("VMOVUPS %s, %s", value, vectorAt("DI", i, a.bytes))
		}
	})
	a.ret()
}

// sums calls body to add up the row in registers 0 to 3, and leaves the total in
// every lane of register 0.
func (a *asm) sums(body func(sum string, i int, tail bool)) {
	for i := range 4 {
		a.zero(a.r(i))
	}
	a.eachVector(4, func(i int, tail bool) { body(a.r(i), i, tail) })
	a.o("VADDPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
	a.o("VADDPS %s, %s, %s", a.r(3), a.r(2), a.r(2))
	a.o("VADDPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
	a.reduce("VADDPS", 0, 1)
}
