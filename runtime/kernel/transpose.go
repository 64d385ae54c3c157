package kernel

// Transpose writes the transpose of x (rows, cols) to dst (cols, rows). They must not
// overlap. Large matrices are spread over the cores.
func Transpose(dst, x []float32, rows, cols int) {
	checkLen("Transpose: x", len(x), rows*cols)
	checkLen("Transpose: dst", len(dst), rows*cols)
	transpose(dst, x, cols, rows, cols)
}

// transpose is Transpose for an x with row stride ldx.
func transpose(dst, x []float32, ldx, rows, cols int) {
	limit := 1
	if rows*cols >= parallelElements {
		limit = workers
	}
	run(&transposition{dst, x, ldx, rows, cols}, (rows+transposeBlock-1)/transposeBlock, limit)
}

// A transposition is one call of Transpose. Its units are strips of rows, which are
// transposed in square blocks, so that all of a cache line is used on both sides.
type transposition struct {
	dst, x          []float32
	ldx, rows, cols int
}

// transposeBlock is the side of a block: a cache line of float32s.
const transposeBlock = 16

func (t *transposition) unit(_, strip int) {
	dst, rows := t.dst, t.rows
	r0 := strip * transposeBlock
	r1 := min(r0+transposeBlock, rows)
	for c0 := 0; c0 < t.cols; c0 += transposeBlock {
		c1 := min(c0+transposeBlock, t.cols)
		for r := r0; r < r1; r++ {
			at := c0*rows + r
			for _, v := range t.x[r*t.ldx+c0 : r*t.ldx+c1] {
				dst[at] = v
				at += rows
			}
		}
	}
}
