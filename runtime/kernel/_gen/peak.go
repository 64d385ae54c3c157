package main

// fma does 12 independent multiply-adds a round, in registers only.
func fma(a *asm) {
	const sums = 12
	a.function("fma", "rounds int", 8)
	a.rounds(sums, func(i int) { a.o("VFMADD231PS %s, %s, %s", a.r(sums), a.r(sums+1), a.r(i)) })
}

// dotBF16 does 12 independent BF16 dot products a round, in registers only.
func dotBF16(a *asm) {
	const sums = 12
	a.function("dotBF16", "rounds int", 8)
	a.rounds(sums, func(i int) { a.dotBF16(sums, sums+1, i) })
}

// rounds repeats body for each of the sums, whose registers are followed by two
// zeroed ones, as often as the argument says.
func (a *asm) rounds(sums int, body func(i int)) {
	a.args("rounds CX")
	for i := range sums + 2 {
		a.zero(a.r(i))
	}
	a.loop(1, func() {
		for i := range sums {
			body(i)
		}
	})
	a.ret()
}

// read loads x and adds it up; n is a multiple of 128.
func read(a *asm) {
	a.function("read", "x *float32, n int", 16)
	a.args("x SI", "n CX")
	for i := range 4 {
		a.zero(a.r(i))
	}
	a.loop(128, func() {
		for i := range 512 / a.bytes {
			a.o("VADDPS %d(SI), %s, %s", i*a.bytes, a.r(i%4), a.r(i%4))
		}
		a.o("ADDQ $512, SI")
	})
	a.ret()
}
