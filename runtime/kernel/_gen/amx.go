package main

// General registers by their number in an instruction's encoding.
const (
	rCX, rDX, rBX, rSI, rDI = 1, 2, 3, 6, 7
	r8, r9, r10, r11, r12   = 8, 9, 10, 11, 12
)

// tileAMX computes up to 32 rows by 32 outputs in the tile registers 0 to 3 (2×2
// of 16×16), from registers 4 and 5 for x, and 6 and 7 for the panel. Tile state
// belongs to the thread, so one function configures, uses and releases it.
func tileAMX(a *asm) {
	a.function("tile", "c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, blocks int, load bool, config *[64]byte", 72)
	a.o("MOVQ config+64(FP), AX")
	a.bytesOf("LDTILECFG (AX)", 0xc4, 0xe2, 0x78, 0x49, 0x00)
	a.o("MOVQ c+0(FP), DI")
	a.o("MOVQ ldc+8(FP), CX")
	a.o("SHLQ $2, CX")
	a.o("MOVQ x+16(FP), SI")
	a.o("MOVQ ldx+24(FP), R8")
	a.o("SHLQ $1, R8")
	a.o("MOVQ panel+32(FP), DX")
	a.o("LEAQ 64(DX), R11")
	a.o("MOVQ $128, R10")
	a.o("MOVQ blocks+48(FP), R13")
	a.o("LEAQ 64(DI), R12")
	a.comment("the lower 16 rows: x at R9, c at BX")
	a.o("MOVQ R8, R9")
	a.o("SHLQ $4, R9")
	a.o("ADDQ SI, R9")
	a.o("MOVQ CX, BX")
	a.o("SHLQ $4, BX")
	a.o("ADDQ DI, BX")
	a.o("MOVBLZX load+56(FP), AX")
	a.o("CMPQ rows+40(FP), $16")
	a.o("JGT  both")
	amxHalves(a, 1)
	a.label("both")
	amxHalves(a, 2)
}

// amxHalves multiplies the upper 16 rows, or with halves 2 also the lower 16.
func amxHalves(a *asm, halves int) {
	zero, multiply, next := a.newLabel("zero"), a.newLabel("multiply"), a.newLabel("next")
	a.o("TESTB AX, AX")
	a.o("JZ    %s", zero)
	eachAMXSum(a, halves, a.tileLoad)
	a.o("JMP   %s", multiply)
	a.label(zero)
	for t := range 2 * halves {
		a.tileZero(t)
	}
	a.label(multiply)
	a.label(next)
	a.tileLoad(4, rSI, r8)
	a.tileLoad(6, rDX, r10)
	a.tileDot(0, 4, 6)
	a.tileLoad(7, r11, r10)
	a.tileDot(1, 4, 7)
	if halves == 2 {
		a.tileLoad(5, r9, r8)
		a.tileDot(2, 5, 6)
		a.tileDot(3, 5, 7)
		a.o("ADDQ $64, R9")
	}
	a.o("ADDQ $64, SI")
	a.o("ADDQ $2048, DX")
	a.o("ADDQ $2048, R11")
	a.o("DECQ R13")
	a.o("JNZ  %s", next)
	eachAMXSum(a, halves, a.tileStore)
	a.bytesOf("TILERELEASE", 0xc4, 0xe2, 0x78, 0x49, 0xc0)
	a.o("RET")
}

// eachAMXSum calls visit for each register of sums with its address in c.
func eachAMXSum(a *asm, halves int, visit func(tile, base, index int)) {
	visit(0, rDI, rCX)
	visit(1, r12, rCX)
	if halves == 2 {
		visit(2, rBX, rCX)
		a.o("ADDQ $64, BX")
		visit(3, rBX, rCX)
		a.o("SUBQ $64, BX")
	}
}

// dotAMX does four independent tile products a round, in registers only.
func dotAMX(a *asm) {
	a.function("dot", "rounds int, config *[64]byte", 16)
	a.o("MOVQ config+8(FP), AX")
	a.o("MOVQ rounds+0(FP), CX")
	a.bytesOf("LDTILECFG (AX)", 0xc4, 0xe2, 0x78, 0x49, 0x00)
	for t := range 8 {
		a.tileZero(t)
	}
	a.label("next")
	for i := range 4 {
		a.tileDot(i, 4+i/2, 6+i%2)
	}
	a.o("DECQ CX")
	a.o("JNZ  next")
	a.bytesOf("TILERELEASE", 0xc4, 0xe2, 0x78, 0x49, 0xc0)
	a.o("RET")
}
