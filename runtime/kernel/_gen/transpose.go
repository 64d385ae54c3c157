package main

import "fmt"

// transpose writes as many rows of w as a register has lanes, of k inputs, as
// columns of a panel; k is a multiple of 4. Each round loads four inputs of every
// row, one register per input index mod 4, and transposes 4×4 blocks within each
// 128 bits, which hold rows that are neighbours in the panel.
func transpose(a *asm) {
	a.function("transpose", "panel, w *float32, ldw, k int", 32)
	a.args("panel DI", "w R8", "ldw BX", "k CX")
	a.o("SHLQ $2, BX")
	a.o("LEAQ (BX)(BX*2), DX")
	quarters := a.lanes() / 4
	for q := 1; q < quarters; q++ {
		a.o("LEAQ (R%d)(BX*4), R%d", 7+q, 8+q)
	}
	row := func(q, i int) string {
		return fmt.Sprintf("(R%d)%s", 8+q, [...]string{"", "(BX*1)", "(BX*2)", "(DX*1)"}[i])
	}
	insert := "VINSERTF128"
	if a.is512() {
		insert = "VINSERTF32X4"
	}
	a.loop(4, func() {
		for i := range 4 {
			a.o("VMOVUPS %s, X%d", row(0, i), i)
			for q := 1; q < quarters; q++ {
				a.o("%s $%d, %s, %s, %s", insert, q, row(q, i), a.r(i), a.r(i))
			}
		}
		for i := range 2 {
			a.o("VUNPCKLPS %s, %s, %s", a.r(2*i+1), a.r(2*i), a.r(4+i))
			a.o("VUNPCKHPS %s, %s, %s", a.r(2*i+1), a.r(2*i), a.r(6+i))
		}
		for i := range 4 {
			half := 4 + i&^1
			op := [...]string{"VUNPCKLPD", "VUNPCKHPD"}[i&1]
			a.o("%s %s, %s, %s", op, a.r(half+1), a.r(half), a.r(i))
			a.o("VMOVUPS %s, %d(DI)", a.r(i), 128*i)
		}
		for q := range quarters {
			a.o("ADDQ $16, R%d", 8+q)
		}
		a.o("ADDQ $512, DI")
	})
	a.ret()
}
