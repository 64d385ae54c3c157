package main

// Loops over one row of any length. The tail, which fills no register, is
// masked: AVX-512 uses K1; AVX2 uses Y14, loaded from a table of ones and zeros.

// tailMask makes the mask of the last CX elements, fewer than a register holds.
func (a *asm) tailMask() {
	if a.is512() {
		a.o("MOVL $1, AX")
		a.o("SHLL CX, AX")
		a.o("DECL AX")
		a.o("KMOVW AX, K1")
		return
	}
	a.o("LEAQ ·tailMasks+32(SB), AX")
	a.o("SHLQ $2, CX")
	a.o("SUBQ CX, AX")
	a.o("VMOVDQU (AX), Y14")
}

// loadTail loads the masked elements and zeroes the other lanes.
func (a *asm) loadTail(memory, r string) {
	if a.is512() {
		a.o("VMOVUPS.Z %s, K1, %s", memory, r)
	} else {
		a.o("VMASKMOVPS %s, Y14, %s", memory, r)
	}
}

// storeTail stores the masked elements.
func (a *asm) storeTail(r, memory string) {
	if a.is512() {
		a.o("VMOVUPS %s, K1, %s", r, memory)
	} else {
		a.o("VMASKMOVPS %s, Y14, %s", r, memory)
	}
}

// keepTail zeroes the lanes that are not masked.
func (a *asm) keepTail(r string) {
	if a.is512() {
		a.o("VMOVAPS.Z %s, K1, %s", r, r)
	} else {
		a.o("VANDPS Y14, %s, %s", r, r)
	}
}

// eachVector loops over a row of R9 elements, with R8 as the byte offset: first
// group registers at a time, then one, then the tail. body is called with the
// register's number within the group and with whether this is the tail.
func (a *asm) eachVector(group int, body func(i int, tail bool)) {
	many, ones, one, rest, done := a.newLabel("many"), a.newLabel("ones"), a.newLabel("one"), a.newLabel("rest"), a.newLabel("done")
	lanes := a.lanes()
	a.o("MOVQ R9, CX")
	a.o("XORQ R8, R8")
	if group > 1 {
		a.o("SUBQ $%d, CX", group*lanes)
		a.o("JLT  %s", ones)
		a.label(many)
		for i := range group {
			body(i, false)
		}
		a.o("ADDQ $%d, R8", group*a.bytes)
		a.o("SUBQ $%d, CX", group*lanes)
		a.o("JGE  %s", many)
		a.label(ones)
		a.o("ADDQ $%d, CX", group*lanes)
	}
	a.o("SUBQ $%d, CX", lanes)
	a.o("JLT  %s", rest)
	a.label(one)
	body(0, false)
	a.o("ADDQ $%d, R8", a.bytes)
	a.o("SUBQ $%d, CX", lanes)
	a.o("JGE  %s", one)
	a.label(rest)
	a.o("ADDQ $%d, CX", lanes)
	a.o("JZ   %s", done)
	a.tailMask()
	body(0, true)
	a.label(done)
}

// reduce sets every lane of register r to op over all of its lanes, with register
// s as scratch.
func (a *asm) reduce(op string, r, s int) {
	if a.is512() {
		a.o("VEXTRACTF64X4 $1, Z%d, Y%d", r, s)
		a.o("%s Y%d, Y%d, Y%d", op, s, r, r)
	}
	a.o("VEXTRACTF128 $1, Y%d, X%d", r, s)
	a.o("%s X%d, X%d, X%d", op, s, r, r)
	a.o("VPERMILPS $0x4e, X%d, X%d", r, s)
	a.o("%s X%d, X%d, X%d", op, s, r, r)
	a.o("VPERMILPS $0xb1, X%d, X%d", r, s)
	a.o("%s X%d, X%d, X%d", op, s, r, r)
	a.o("VBROADCASTSS X%d, %s", r, a.r(r))
}
