package kernel

// A Matrix is rows of activations with a stride between them: float32, or BF16,
// where only products with BF16 factors read them. One of the slices is set.
//
// BF16 rows that a product reads have whole steps of 32 elements, and what is
// beyond the row's own elements is zero; whoever writes them leaves that alone.
type Matrix struct {
	F32    []float32
	BF16   []uint16
	Stride int // in elements
}

// Float32s are rows in float32.
func Float32s(x []float32, stride int) Matrix { return Matrix{F32: x, Stride: stride} }

// BF16Stride is the row stride that suits BF16 rows of so many columns: whole
// steps, and a cache line more, so that the rows of a tile do not all fall on the
// same cache lines.
func BF16Stride(cols int) int { return paddedBF16(cols) + 2*gap }

// Float32Stride is the row stride that suits float32 rows of so many columns: rows
// that would collide in the first-level cache lie a cache line further apart.
func Float32Stride(cols int) int {
	if collides(cols) {
		return cols + gap
	}
	return cols
}

// collides reports whether rows so far apart, in float32s, all fall on the same few
// cache lines and push each other out: by half a way of the first-level cache.
func collides(stride int) bool { return stride%512 == 0 }

// From is the matrix from a row on.
func (m Matrix) From(row int) Matrix { return m.skip(row * m.Stride) }

// Pad zeroes what is beyond the columns of BF16 rows up to whole steps.
func (m Matrix) Pad(rows, cols int) {
	for r := range rows {
		clear(m.BF16[r*m.Stride+cols : r*m.Stride+paddedBF16(cols)])
	}
}

// columns is the matrix from a column on.
func (m Matrix) columns(column int) Matrix { return m.skip(column) }

func (m Matrix) skip(n int) Matrix {
	m.F32, m.BF16 = m.F32[min(n, len(m.F32)):], m.BF16[min(n, len(m.BF16)):]
	return m
}

func (m Matrix) check(what string, rows, cols int) {
	checkMatrix(what, max(len(m.F32), len(m.BF16)), m.Stride, rows, cols)
}

// checkInputs checks rows of k inputs of a product.
func (m Matrix) checkInputs(what string, rows, k int) {
	if m.BF16 != nil { // whole steps of it are read
		k = paddedBF16(k)
	}
	m.check(what, rows, k)
}
