package kernel

// A Matrix is a view of rows of activations with a stride between them, either
// float32 or BF16; exactly one of the two slices is set. Only BF16 products read
// BF16 rows.
//
// A product reads BF16 rows in steps of 32 elements, so the elements from a row's
// last column up to a multiple of 32 must be zero. Kernels that write BF16 rows
// leave them alone.
type Matrix struct {
	F32    []float32
	BF16   []uint16
	Stride int // in elements
}

// Float32s returns float32 rows that are stride elements apart.
func Float32s(x []float32, stride int) Matrix { return Matrix{F32: x, Stride: stride} }

// BF16Stride returns a good row stride for BF16 rows of cols columns: a multiple of
// 32, plus a cache line, so that the rows of a tile do not all map to the same
// cache sets.
func BF16Stride(cols int) int { return paddedBF16(cols) + 2*gap }

// Float32Stride returns a good row stride for float32 rows of cols columns: cols,
// plus a cache line where rows would otherwise conflict in the first-level cache.
func Float32Stride(cols int) int {
	if strideConflicts(cols) {
		return cols + gap
	}
	return cols
}

// gap is a cache line of float32s, left between rows so that the rows of a tile do
// not all map to the same cache sets.
const gap = 16

// strideConflicts reports whether float32 rows that are stride elements apart map
// to so few sets of the first-level cache that they evict each other: the stride is
// a multiple of half a cache way.
func strideConflicts(stride int) bool { return stride%512 == 0 }

// From returns the matrix from the given row on.
func (m Matrix) From(row int) Matrix { return m.skip(row * m.Stride) }

// Pad zeroes BF16 rows from column cols up to a multiple of 32.
func (m Matrix) Pad(rows, cols int) {
	for r := range rows {
		clear(m.BF16[r*m.Stride+cols : r*m.Stride+paddedBF16(cols)])
	}
}

// columns returns the matrix from the given column on.
func (m Matrix) columns(column int) Matrix { return m.skip(column) }

func (m Matrix) skip(n int) Matrix {
	m.F32, m.BF16 = m.F32[min(n, len(m.F32)):], m.BF16[min(n, len(m.BF16)):]
	return m
}

func (m Matrix) check(what string, rows, cols int) {
	checkMatrix(what, max(len(m.F32), len(m.BF16)), m.Stride, rows, cols)
}

// checkInputs checks rows of k inputs of a product, which reads BF16 rows in steps
// of 32.
func (m Matrix) checkInputs(what string, rows, k int) {
	if m.BF16 != nil {
		k = paddedBF16(k)
	}
	m.check(what, rows, k)
}
