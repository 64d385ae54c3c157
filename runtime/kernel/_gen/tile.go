package main

import "fmt"

// tile is the micro-kernel: c (rows, 32) = [c +] x (rows, k) · panel (k, 32), with
// every sum in a register. Each step of k loads one row of the panel and multiplies
// it by one element of each row of x.
func tile(a *asm) {
	a.function("tile", "c *float32, ldc int, x *float32, ldx int, panel *float32, rows, k int, load bool", 57)
	tiles(a, func(w, x, sum int) {
		a.o("VFMADD231PS %s, %s, %s", a.r(w), a.r(x), a.r(sum))
	})
}

// tileBF16 is tile with BF16 pairs as elements: a step adds two products to each
// sum.
func tileBF16(a *asm) {
	a.function("tileBF16", "c *float32, ldc int, x *uint16, ldx int, panel *uint16, rows, k int, load bool", 57)
	tiles(a, func(w, x, sum int) { a.dotBF16(w, x, sum) })
}

// A multiply writes sum += w·x; all three are register numbers.
type multiply func(w, x, sum int)

// tiles writes the body of a micro-kernel: one loop for each number of rows.
func tiles(a *asm, m multiply) {
	a.o("MOVQ c+0(FP), DI")
	a.o("MOVQ ldc+8(FP), R8")
	a.o("SHLQ $2, R8")
	a.o("MOVQ x+16(FP), SI")
	a.o("MOVQ ldx+24(FP), R9")
	a.o("SHLQ $2, R9")
	a.o("MOVQ panel+32(FP), BX")
	a.o("MOVQ rows+40(FP), AX")
	a.o("MOVQ k+48(FP), CX")
	a.o("MOVBLZX load+56(FP), DX")
	a.comment("x's rows are addressed in threes: R10, R11 and R12 point to rows 3, 6 and 9")
	a.o("LEAQ (R9)(R9*2), R13")
	a.o("LEAQ (SI)(R13*1), R10")
	a.o("LEAQ (R10)(R13*1), R11")
	a.o("LEAQ (R11)(R13*1), R12")
	for r := a.maxRows; r >= 1; r-- {
		a.o("CMPQ AX, $%d", r)
		a.o("JEQ  rows%d", r)
	}
	a.o("RET")
	for r := a.maxRows; r >= 1; r-- {
		a.label(fmt.Sprintf("rows%d", r))
		tileOf(a, r, m)
	}
}

// A shape is how a tile of a certain number of rows uses the registers.
type shape struct {
	rows    int
	vectors int // registers across
	sets    int // independent sums per output, which hide the latency of the adder in short tiles
}

// sum returns the register of a sum.
func (s shape) sum(set, row, v int) int { return (set*s.rows+row)*s.vectors + v }

// tileOf writes the tile of one number of rows. AVX2 has too few registers for
// more than 3 rows of a whole panel, and computes half a panel at a time.
func tileOf(a *asm, rows int, m multiply) {
	s := shape{rows: rows, vectors: 128 / a.bytes, sets: 1}
	passes := 1
	if !a.is512() && rows > 3 {
		s.vectors, passes = 2, 2
	}
	for s.sets < 4 && rows*s.vectors*s.sets < 8 {
		s.sets *= 2
	}
	for pass := range passes {
		if pass < passes-1 {
			saveTile(a)
		}
		tilePass(a, s, m)
		if pass < passes-1 {
			restoreTile(a, s)
		}
	}
	a.ret()
}

// saveTile saves the registers that a pass moves; R13, R14, R15 and AX are free.
func saveTile(a *asm) {
	a.o("MOVQ CX, R13")
	a.o("MOVQ BX, R14")
	a.o("MOVQ DI, AX")
}

// restoreTile goes back to k = 0, half a panel further along the outputs.
func restoreTile(a *asm, s shape) {
	half := s.vectors * a.bytes
	a.o("MOVQ R13, CX")
	a.o("LEAQ %d(R14), BX", half)
	a.o("LEAQ %d(AX), DI", half)
	a.o("SHLQ $2, R13")
	for _, p := range xPointers(s.rows) {
		a.o("SUBQ R13, %s", p)
	}
}

// xPointers returns the registers that point to x's rows, three rows each.
func xPointers(rows int) []string { return []string{"SI", "R10", "R11", "R12"}[:(rows+2)/3] }

// xElement returns the address of a row's element, step elements ahead.
func xElement(row, step int) string {
	base := []string{"SI", "R10", "R11", "R12"}[row/3]
	return fmt.Sprintf("%d(%s)%s", 4*step, base, []string{"", "(R9*1)", "(R9*2)"}[row%3])
}

// tilePass computes the sums of one pass and stores them.
func tilePass(a *asm, s shape, m multiply) {
	for i := s.rows * s.vectors; i < s.sets*s.rows*s.vectors; i++ {
		a.zero(a.r(i))
	}
	loaded, multiply := a.newLabel("load"), a.newLabel("multiply")
	a.o("TESTB DX, DX")
	a.o("JNZ   %s", loaded)
	for i := range s.rows * s.vectors {
		a.zero(a.r(i))
	}
	a.o("JMP %s", multiply)
	a.label(loaded)
	eachSum(a, s, func(sum, memory string) { a.o("VMOVUPS %s, %s", memory, sum) })
	a.label(multiply)
	steps(a, s, m)
	foldSets(a, s)
	eachSum(a, s, func(sum, memory string) { a.o("VMOVUPS %s, %s", sum, memory) })
}

// eachSum calls visit for each sum of the first set with its address in c. It changes
// R15.
func eachSum(a *asm, s shape, visit func(sum, memory string)) {
	a.o("MOVQ DI, R15")
	for row := range s.rows {
		for v := range s.vectors {
			visit(a.r(s.sum(0, row, v)), fmt.Sprintf("%d(R15)", v*a.bytes))
		}
		if row < s.rows-1 {
			a.o("ADDQ R8, R15")
		}
	}
}

// steps loops over k, as many steps at a time as there are sets, and then one by
// one.
func steps(a *asm, s shape, m multiply) {
	one, done := a.newLabel("one"), a.newLabel("done")
	if s.sets > 1 {
		many := a.newLabel("many")
		a.o("SUBQ $%d, CX", s.sets)
		a.o("JLT  %s", one)
		a.label(many)
		for set := range s.sets {
			step(a, s, set, m)
		}
		advance(a, s, s.sets)
		a.o("SUBQ $%d, CX", s.sets)
		a.o("JGE  %s", many)
		a.label(one)
		a.o("ADDQ $%d, CX", s.sets)
		one = a.newLabel("one")
	}
	a.o("TESTQ CX, CX")
	a.o("JLE   %s", done)
	a.label(one)
	step(a, s, 0, m)
	advance(a, s, 1)
	a.o("DECQ CX")
	a.o("JNZ  %s", one)
	a.label(done)
}

// advance moves the pointers by a number of steps.
func advance(a *asm, s shape, steps int) {
	a.o("ADDQ $%d, BX", 128*steps)
	for _, p := range xPointers(s.rows) {
		a.o("ADDQ $%d, %s", 4*steps, p)
	}
}

// step multiplies one row of the panel, set steps ahead, by one element of each row
// of x.
func step(a *asm, s shape, set int, m multiply) {
	free := s.sets * s.rows * s.vectors
	if s.rows*s.vectors+s.vectors < 16 || a.is512() {
		element := free + s.vectors
		for v := range s.vectors {
			a.o("VMOVUPS %d(BX), %s", 128*set+v*a.bytes, a.r(free+v))
		}
		for row := range s.rows {
			a.o("VBROADCASTSS %s, %s", xElement(row, set), a.r(element))
			for v := range s.vectors {
				m(free+v, element, s.sum(set, row, v))
			}
		}
		return
	}
	// Few registers: hold x's elements and load the panel's row bit by bit.
	for row := range s.rows {
		a.o("VBROADCASTSS %s, %s", xElement(row, set), a.r(free+row))
	}
	part := free + s.rows
	for v := range s.vectors {
		a.o("VMOVUPS %d(BX), %s", 128*set+v*a.bytes, a.r(part))
		for row := range s.rows {
			m(part, free+row, s.sum(set, row, v))
		}
	}
}

// foldSets adds up the sets of sums into the first.
func foldSets(a *asm, s shape) {
	each := s.rows * s.vectors
	for n := s.sets / 2; n >= 1; n /= 2 {
		for i := range n * each {
			a.o("VADDPS %s, %s, %s", a.r(i+n*each), a.r(i), a.r(i))
		}
	}
}
