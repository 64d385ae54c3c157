package kernel

// maxTileRows is the number of rows in the tallest tile of any instruction set.
const maxTileRows = 32

// genericTileRows is the number of rows in a tile of the generic micro-kernel, which
// share a part of a panel while it is in the first-level cache.
const genericTileRows = 8

// tileGeneric is the micro-kernel: c (rows, 32) = [c +] x (rows, k) · panel (k, 32).
func tileGeneric(c []float32, ldc int, x []float32, ldx int, panel []float32, rows, k int, load bool) {
	if !load {
		for r := 0; r < rows; r++ {
			clear(c[r*ldc:][:Panel])
		}
	}
	if k == 0 {
		return
	}
	r := 0
	for ; r+2 <= rows; r += 2 {
		x0, x1 := x[r*ldx:][:k], x[(r+1)*ldx:][:k]
		c0, c1 := c[r*ldc:][:Panel], c[(r+1)*ldc:][:Panel]
		for j := 0; j < Panel; j += 4 {
			addProducts2x4((*[4]float32)(c0[j:]), (*[4]float32)(c1[j:]), x0, x1, panel[j:])
		}
	}
	if r < rows {
		x0, c0 := x[r*ldx:][:k], c[r*ldc:][:Panel]
		for j := 0; j < Panel; j += 4 {
			addProducts1x4((*[4]float32)(c0[j:]), x0, panel[j:])
		}
	}
}

// addProducts2x4 adds to 2×4 outputs: eight sums, as many as fit in registers
// together with their factors.
func addProducts2x4(c0, c1 *[4]float32, x0, x1, panel []float32) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	x1 = x1[:len(x0)]
	for i, a := range x0 {
		b := x1[i]
		w := (*[4]float32)(panel[i*Panel:])
		a0 += a * w[0]
		b0 += b * w[0]
		a1 += a * w[1]
		b1 += b * w[1]
		a2 += a * w[2]
		b2 += b * w[2]
		a3 += a * w[3]
		b3 += b * w[3]
	}
	c0[0], c0[1], c0[2], c0[3] = c0[0]+a0, c0[1]+a1, c0[2]+a2, c0[3]+a3
	c1[0], c1[1], c1[2], c1[3] = c1[0]+b0, c1[1]+b1, c1[2]+b2, c1[3]+b3
}

func addProducts1x4(c *[4]float32, x, panel []float32) {
	var a0, a1, a2, a3 float32
	for i, a := range x {
		w := (*[4]float32)(panel[i*Panel:])
		a0 += a * w[0]
		a1 += a * w[1]
		a2 += a * w[2]
		a3 += a * w[3]
	}
	c[0], c[1], c[2], c[3] = c[0]+a0, c[1]+a1, c[2]+a2, c[3]+a3
}

// epilogueGeneric applies bias (32), activation and residual (rows, 32) to the tile c
// (rows, 32). bias and residual may be nil.
func epilogueGeneric(c []float32, ldc, rows int, bias []float32, act Activation, residual []float32, ldr int) {
	for r := 0; r < rows; r++ {
		row := c[r*ldc:][:Panel]
		if bias != nil {
			addGeneric(row, bias[:Panel])
		}
		activateGeneric(row, act)
		if residual != nil {
			addGeneric(row, residual[r*ldr:][:Panel])
		}
	}
}
