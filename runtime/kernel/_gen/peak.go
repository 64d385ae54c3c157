package main

// measure: what the machine can do at most, in short calls.
func measure(a *asm) {
	const sums = 12
	a.function("func fma(rounds int), 12 multiply-adds a round in registers alone", "fma", 8)
	a.rounds(sums, func(i int) { a.o("VFMADD231PS %s, %s, %s", a.r(sums), a.r(sums+1), a.r(i)) })

	a.function("func read(x *float32, n int), n a multiple of 128", "read", 16)
	a.o("MOVQ x+0(FP), SI")
	a.o("MOVQ n+8(FP), CX")
	for i := range 4 {
		a.zero(a.r(i))
	}
	next := a.newLabel("next")
	a.label(next)
	for i := range 512 / a.bytes {
		a.o("VADDPS %d(SI), %s, %s", i*a.bytes, a.r(i%4), a.r(i%4))
	}
	a.o("ADDQ $512, SI")
	a.o("SUBQ $128, CX")
	a.o("JNZ  %s", next)
	a.ret()
}

// rounds repeats work on each of so many sums, with two zeros in the registers
// behind them, as often as the argument says.
func (a *asm) rounds(sums int, work func(i int)) {
	a.o("MOVQ rounds+0(FP), CX")
	for i := range sums + 2 {
		a.zero(a.r(i))
	}
	next := a.newLabel("next")
	a.label(next)
	for i := range sums {
		work(i)
	}
	a.o("DECQ CX")
	a.o("JNZ  %s", next)
	a.ret()
}

// prefetch: n cache lines from src on, to be read into the second-level cache or
// to be written into the first.
func prefetch(a *asm) {
	each := func(name, ask string) {
		a.function("func "+name+"(src *uint16, n int)", name, 16)
		a.o("MOVQ src+0(FP), SI")
		a.o("MOVQ n+8(FP), CX")
		next := a.newLabel("next")
		a.label(next)
		a.o("%s", ask)
		a.o("ADDQ $64, SI")
		a.o("DECQ CX")
		a.o("JNZ  %s", next)
		a.o("RET")
	}
	each("prefetchLines", "PREFETCHT1 (SI)")
	each("prefetchLinesToWrite", "BYTE $0x0F; BYTE $0x0D; BYTE $0x0E // PREFETCHW (SI)")
}
