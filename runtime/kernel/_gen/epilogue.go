package main

import "fmt"

// epilogue applies bias, activation and residual to a tile (rows, 32). There is
// one loop for each activation; kind, the Activation's number, selects it.
func epilogue(a *asm) {
	a.function("epilogue", "c *float32, ldc, rows int, bias *float32, kind int, residual *float32, ldr int", 56)
	a.args("c DI", "ldc R8", "rows CX", "bias SI", "kind AX", "residual BX", "ldr R9")
	a.o("SHLQ $2, R8")
	a.o("SHLQ $2, R9")
	kinds := []struct {
		name string
		body func(a *asm, x string)
	}{
		{"Identity", func(*asm, string) {}},
		{"ReLU", relu},
		{"GELU", gelu},
		{"GELUTanh", func(a *asm, x string) { sigmoidal(a, x, "cGELUTanhA", "cGELUTanhB") }},
		{"QuickGELU", func(a *asm, x string) { sigmoidal(a, x, "cQuickGELUA", "") }},
		{"SiLU", func(a *asm, x string) { sigmoidal(a, x, "", "") }},
	}
	for _, k := range kinds[1:] {
		a.o("CMPQ AX, $const_%s", k.name)
		a.o("JEQ  row%s", k.name)
	}
	for _, k := range kinds {
		a.label("row" + k.name)
		epilogueRow(a, k.body)
		a.o("DECQ CX")
		a.o("JNZ  row%s", k.name)
		a.ret()
	}
}

// epilogueRow handles one row and moves on to the next.
func epilogueRow(a *asm, activate func(*asm, string)) {
	vectors := 128 / a.bytes
	noBias, noResidual := a.newLabel("noBias"), a.newLabel("noResidual")
	for v := range vectors {
		a.o("VMOVUPS %d(DI), %s", v*a.bytes, a.r(v))
	}
	a.o("TESTQ SI, SI")
	a.o("JZ    %s", noBias)
	for v := range vectors {
		a.o("VADDPS %d(SI), %s, %s", v*a.bytes, a.r(v), a.r(v))
	}
	a.label(noBias)
	for v := range vectors {
		activate(a, a.r(v))
	}
	a.o("TESTQ BX, BX")
	a.o("JZ    %s", noResidual)
	for v := range vectors {
		a.o("VADDPS %d(BX), %s, %s", v*a.bytes, a.r(v), a.r(v))
	}
	a.o("ADDQ R9, BX")
	a.label(noResidual)
	for v := range vectors {
		a.o("VMOVUPS %s, %d(DI)", a.r(v), v*a.bytes)
	}
	a.o("ADDQ R8, DI")
}

// relu: max(0, x). VMAXPS returns its last source for a NaN, so x comes last.
func relu(a *asm, x string) {
	zero := a.r(8)
	a.zero(zero)
	a.o("VMAXPS %s, %s, %s", x, zero, x)
}

// gelu: max(x, 0) − e^(−t²/2)·q(u) with t = |x|; see gelu in activation.go.
func gelu(a *asm, x string) {
	t, u, q, e, n, p := a.r(8), a.r(9), a.r(10), a.r(11), a.r(12), a.r(13)
	a.and("cMagnitude", x, t)
	a.broadcast("cGELUMax", u)
	a.o("VMINPS %s, %s, %s", t, u, u)
	a.broadcast("cGELUScale", q)
	a.c("VFMSUB213PS", "cOne", q, u)
	a.broadcast(fmt.Sprintf("cGELU+%d", 12*32), q)
	for i := 11; i >= 0; i-- {
		a.c("VFMADD213PS", fmt.Sprintf("cGELU+%d", i*32), u, q)
	}
	a.c("VMULPS", "cMinusHalf", t, e)
	a.o("VMULPS %s, %s, %s", t, e, e)
	a.exp(e, n, p)
	relu(a, x)
	a.o("VFNMADD231PS %s, %s, %s", q, e, x)
}

// sigmoidal: x / (1 + e^(−x·(a + b·min(x², squareMax)))), where a and b are the
// constants ca and cb; without cb, b is 0, and without ca, a is 1.
func sigmoidal(a *asm, x, ca, cb string) {
	z, s, n, p := a.r(8), a.r(9), a.r(10), a.r(11)
	a.c("VMULPS", "cMinusOne", x, z)
	switch {
	case cb != "":
		a.o("VMULPS %s, %s, %s", x, x, s)
		a.clamp("VMINPS", "cSquareMax", s, n)
		a.broadcast(cb, n)
		a.c("VFMADD213PS", ca, n, s)
		a.o("VMULPS %s, %s, %s", s, z, z)
	case ca != "":
		a.c("VMULPS", ca, z, z)
	}
	a.exp(z, n, p)
	a.c("VADDPS", "cOne", z, z)
	a.o("VDIVPS %s, %s, %s", z, x, x)
}
