package main

import "fmt"

func at(base string, i, bytes int) string { return fmt.Sprintf("%d(%s)(R8*1)", i*bytes, base) }

// layerNorm: two passes for mean and variance, each in 4 registers of partial
// sums, and one to write.
func layerNorm(a *asm) {
	a.function("func layerNorm(dst, x, gamma, beta *float32, cols int, eps float32)", "layerNorm", 44)
	a.o("MOVQ dst+0(FP), DI")
	a.o("MOVQ x+8(FP), SI")
	a.o("MOVQ gamma+16(FP), BX")
	a.o("MOVQ beta+24(FP), DX")
	a.o("MOVQ cols+32(FP), R9")
	mean, scale, value := a.r(4), a.r(5), a.r(6)
	a.o("VCVTSI2SSQ R9, X7, X7")
	a.o("VBROADCASTSS X7, %s", a.r(7))

	a.sums(func(sum string, i int, tail bool) {
		if tail {
			a.loadTail(at("SI", i, a.bytes), value)
			a.o("VADDPS %s, %s, %s", value, sum, sum)
			return
		}
		a.o("VADDPS %s, %s, %s", at("SI", i, a.bytes), sum, sum)
	})
	a.o("VDIVPS %s, %s, %s", a.r(7), a.r(0), mean)

	a.sums(func(sum string, i int, tail bool) {
		if tail {
			a.loadTail(at("SI", i, a.bytes), value)
		} else {
			a.o("VMOVUPS %s, %s", at("SI", i, a.bytes), value)
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
	a.over(1, func(i int, tail bool) {
		load := func(base, r string) { a.o("VMOVUPS %s, %s", at(base, i, a.bytes), r) }
		if tail {
			load = func(base, r string) { a.loadTail(at(base, i, a.bytes), r) }
		}
		load("SI", value)
		load("BX", gamma)
		load("DX", beta)
		a.o("VSUBPS %s, %s, %s", mean, value, value)
		a.o("VMULPS %s, %s, %s", scale, value, value)
		a.o("VFMADD213PS %s, %s, %s", beta, gamma, value)
		if tail {
			a.storeTail(value, at("DI", i, a.bytes))
		} else {
			a.o("VMOVUPS %s, %s", value, at("DI", i, a.bytes))
		}
	})
	a.ret()
}

// sums walks the row and leaves the sum in register 0, every lane of it.
func (a *asm) sums(body func(sum string, i int, tail bool)) {
	for i := range 4 {
		a.zero(a.r(i))
	}
	a.over(4, func(i int, tail bool) { body(a.r(i), i, tail) })
	a.o("VADDPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
	a.o("VADDPS %s, %s, %s", a.r(3), a.r(2), a.r(2))
	a.o("VADDPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
	a.fold("VADDPS", 0, 1)
}

// softmax: the greatest, then exponentials and their sum, then the division.
func softmax(a *asm) {
	a.function("func softmax(x *float32, cols int, scale float32)", "softmax", 20)
	a.o("MOVQ x+0(FP), SI")
	a.o("MOVQ cols+8(FP), R9")
	scale, most, sum, value := a.r(7), a.r(0), a.r(2), a.r(3)
	a.o("VBROADCASTSS scale+16(FP), %s", scale)
	a.broadcast("cMinusInf", most)
	a.o("VMOVAPS %s, %s", most, a.r(1))
	a.over(2, func(i int, tail bool) {
		if tail {
			a.comment("beyond the row: −∞, which changes no maximum")
			a.loadTail(at("SI", i, a.bytes), value)
			a.o("VMULPS %s, %s, %s", scale, value, value)
			a.lowerRest(value)
		} else {
			a.o("VMULPS %s, %s, %s", at("SI", i, a.bytes), scale, value)
		}
		a.o("VMAXPS %s, %s, %s", value, a.r(i), a.r(i))
	})
	a.o("VMAXPS %s, %s, %s", a.r(1), most, most)
	a.fold("VMAXPS", 0, 1)

	a.zero(sum)
	a.over(1, func(i int, tail bool) {
		if tail {
			a.loadTail(at("SI", i, a.bytes), value)
		} else {
			a.o("VMOVUPS %s, %s", at("SI", i, a.bytes), value)
		}
		a.o("VFMSUB213PS %s, %s, %s", most, scale, value)
		a.exp(value, a.r(5), a.r(6))
		if tail {
			a.keepTail(value)
			a.storeTail(value, at("SI", i, a.bytes))
		} else {
			a.o("VMOVUPS %s, %s", value, at("SI", i, a.bytes))
		}
		a.o("VADDPS %s, %s, %s", value, sum, sum)
	})
	a.fold("VADDPS", 2, 1)
	a.broadcast("cOne", value)
	a.o("VDIVPS %s, %s, %s", sum, value, scale)

	a.over(1, func(i int, tail bool) {
		if tail {
			a.loadTail(at("SI", i, a.bytes), value)
			a.o("VMULPS %s, %s, %s", scale, value, value)
			a.storeTail(value, at("SI", i, a.bytes))
			return
		}
		a.o("VMULPS %s, %s, %s", at("SI", i, a.bytes), scale, value)
		a.o("VMOVUPS %s, %s", value, at("SI", i, a.bytes))
	})
	a.ret()
}

// lowerRest makes what is not masked −∞.
func (a *asm) lowerRest(r string) {
	if a.wide() {
		a.broadcast("cMinusInf", a.r(4))
		a.o("VMOVAPS %s, K1, %s", r, a.r(4))
		a.o("VMOVAPS %s, %s", a.r(4), r)
		return
	}
	a.broadcast("cMinusInf", "Y4")
	a.o("VBLENDVPS Y14, %s, Y4, %s", r, r)
}
