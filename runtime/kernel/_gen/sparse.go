package main

// combine: dst (32) = Σ values[i] · from[indices[i]], two terms at a time.
func combine(a *asm) {
	a.function("combine", "dst, from *float32, indices *int32, values *float32, n int", 40)
	a.args("dst DI", "from SI", "indices BX", "values DX", "n CX")
	vectors := 128 / a.bytes
	for i := range 2 * vectors {
		a.zero(a.r(i))
	}
	two, one, done := a.newLabel("two"), a.newLabel("one"), a.newLabel("done")
	term := func(i int) {
		a.o("MOVLQSX %d(BX), AX", 4*i)
		a.o("SHLQ $7, AX")
		a.o("VBROADCASTSS %d(DX), %s", 4*i, a.r(8))
		for v := range vectors {
			a.o("VFMADD231PS %d(SI)(AX*1), %s, %s", v*a.bytes, a.r(8), a.r(i*vectors+v))
		}
	}
	a.label(two)
	a.o("SUBQ $2, CX")
	a.o("JLT  %s", one)
	term(0)
	term(1)
	a.o("ADDQ $8, BX")
	a.o("ADDQ $8, DX")
	a.o("JMP  %s", two)
	a.label(one)
	a.o("ADDQ $2, CX")
	a.o("JZ   %s", done)
	term(0)
	a.label(done)
	for v := range vectors {
		a.o("VADDPS %s, %s, %s", a.r(vectors+v), a.r(v), a.r(v))
		a.o("VMOVUPS %s, %d(DI)", a.r(v), v*a.bytes)
	}
	a.ret()
}

// scatterAdd: dst[indices[i]] += values[i] · from (32).
func scatterAdd(a *asm) {
	a.function("scatterAdd", "dst *float32, indices *int32, values, from *float32, n int", 40)
	a.args("dst DI", "indices BX", "values DX", "from SI", "n CX")
	vectors := 128 / a.bytes
	for v := range vectors {
		a.o("VMOVUPS %d(SI), %s", v*a.bytes, a.r(v))
	}
	a.loop(1, func() {
		a.o("MOVLQSX (BX), AX")
		a.o("SHLQ $7, AX")
		a.o("VBROADCASTSS (DX), %s", a.r(8))
		for v := range vectors {
			sum := a.r(vectors + v)
			a.o("VMOVUPS %d(DI)(AX*1), %s", v*a.bytes, sum)
			a.o("VFMADD231PS %s, %s, %s", a.r(v), a.r(8), sum)
			a.o("VMOVUPS %s, %d(DI)(AX*1)", sum, v*a.bytes)
		}
		a.o("ADDQ $4, BX")
		a.o("ADDQ $4, DX")
	})
	a.ret()
}

// gatherRows: dst[i] = from[indices[i]], rows of 32 16-bit numbers.
func gatherRows(a *asm) {
	a.function("gatherRows", "dst, from *uint16, indices *int32, n int", 32)
	a.args("dst DI", "from SI", "indices BX", "n CX")
	a.loop(1, func() {
		a.o("MOVLQSX (BX), AX")
		a.o("SHLQ $6, AX")
		for v := range 64 / a.bytes {
			a.o("VMOVUPS %d(SI)(AX*1), %s", v*a.bytes, a.r(v))
			a.o("VMOVUPS %s, %d(DI)", a.r(v), v*a.bytes)
		}
		a.o("ADDQ $4, BX")
		a.o("ADDQ $64, DI")
	})
	a.ret()
}

// gatherColumns writes up to 32 columns of each row of a 16-bit matrix side by
// side. For each window of 32 elements of the row, one masked permutation moves
// the columns that the window covers to their places in the output.
func gatherColumns(a *asm) {
	a.function("gatherColumns", "dst *uint16, ldd int, src *uint16, lds, rows int, c *columnMap", 48)
	a.args("dst DI", "ldd R8", "src SI", "lds R9", "rows CX", "c BX")
	a.o("SHLQ $1, R8")
	a.o("SHLQ $1, R9")
	a.o("MOVQ columnMap_windows(BX), DX")
	a.o("VMOVDQU16 columnMap_offset(BX), Z1")
	a.label("row")
	a.zero("Z0")
	a.o("XORQ AX, AX")
	a.label("window")
	a.o("MOVLQSX columnMap_start(BX)(AX*4), R10")
	a.o("KMOVD columnMap_mask(BX)(AX*4), K1")
	a.o("VPERMW (SI)(R10*2), Z1, K1, Z0")
	a.o("INCQ AX")
	a.o("CMPQ AX, DX")
	a.o("JLT  window")
	a.o("VMOVDQU16 Z0, (DI)")
	a.o("ADDQ R8, DI")
	a.o("ADDQ R9, SI")
	a.o("DECQ CX")
	a.o("JNZ  row")
	a.ret()
}
