package main

// What goes over one row of any length: the tail is masked. AVX-512 masks with
// K1; AVX2 with Y14, from a window on a table of ones and zeros.

// tailMask makes the mask of the last elements, whose count is in CX (fewer
// than a register holds).
func (a *asm) tailMask() {
	if a.wide() {
		a.o("MOVL $1, AX")
		a.o("SHLL CX, AX")
		a.o("DECL AX")
		a.o("KMOVW AX, K1")
		return
	}
	a.o("LEAQ ·window+32(SB), AX")
	a.o("SHLQ $2, CX")
	a.o("SUBQ CX, AX")
	a.o("VMOVDQU (AX), Y14")
}

// loadTail loads the masked elements and zeros.
func (a *asm) loadTail(memory, r string) {
	if a.wide() {
		a.o("VMOVUPS.Z %s, K1, %s", memory, r)
	} else {
		a.o("VMASKMOVPS %s, Y14, %s", memory, r)
	}
}

func (a *asm) storeTail(r, memory string) {
	if a.wide() {
		a.o("VMOVUPS %s, K1, %s", r, memory)
	} else {
		a.o("VMASKMOVPS %s, Y14, %s", r, memory)
	}
}

// keepTail zeroes what is not masked.
func (a *asm) keepTail(r string) {
	if a.wide() {
		a.o("VMOVAPS.Z %s, K1, %s", r, r)
	} else {
		a.o("VANDPS Y14, %s, %s", r, r)
	}
}

// over walks the row with R8 as its byte offset and CX counting what is left:
// group registers at a time, then one, then the tail. body gets the number of
// the register in the group and whether it is the tail. The row's length is in
// R9 (elements).
func (a *asm) over(group int, body func(i int, tail bool)) {
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

// fold leaves op over all lanes of register r in every lane of it, with s as
// scratch; r and s are register numbers.
func (a *asm) fold(op string, r, s int) {
	if a.wide() {
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
