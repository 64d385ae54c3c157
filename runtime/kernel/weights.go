package kernel

// Weights are the packed weights of a linear layer with N outputs and K inputs, in
// panels of 32 outputs, [ceil(N/32)][K][32], so that one input's weights for a
// whole panel are contiguous. Outputs beyond N are zero.
type Weights struct {
	N, K   int
	Panels []float32
}

// PackedLen returns the number of elements of n packed outputs of k inputs.
func PackedLen(n, k int) int { return panels(n) * Panel * k }

// panels returns the number of panels of n outputs.
func panels(n int) int { return (n + Panel - 1) / Panel }

// Pack packs the weights w, (n, k) with row stride ldw, into the panels dst.
func Pack(dst, w []float32, ldw, n, k int) {
	checkMatrix("Pack: w", len(w), ldw, n, k)
	checkLen("Pack: dst", len(dst), PackedLen(n, k))
	for n0 := 0; n0 < n; n0 += Panel {
		packPanel(dst[n0*k:(n0+Panel)*k], w[n0*ldw:], ldw, min(Panel, n-n0), k)
	}
}

// packPanel transposes w (rows, k) into one panel (k, 32) and fills the outputs
// beyond rows with zeros.
func packPanel(panel, w []float32, ldw, rows, k int) {
	r, i := transposeBlocks(panel, w, ldw, rows, k)
	transposeRows(panel[i*Panel:], w[i:], ldw, r, k-i)
	if r < rows {
		transposeRows(panel[r:], w[r*ldw:], ldw, rows-r, k)
	}
	if rows == Panel {
		return
	}
	for i := range k {
		clear(panel[i*Panel+rows : (i+1)*Panel])
	}
}

// transposeRows transposes w (rows, k) into the first columns of a panel (k, 32).
func transposeRows(panel, w []float32, ldw, rows, k int) {
	if k == 0 {
		return
	}
	// Four rows at a time, so that each step fills a quarter of a cache line.
	const step = 4
	r := 0
	for ; r+step <= rows; r += step {
		w0 := w[r*ldw:][:k]
		w1 := w[(r+1)*ldw:][:len(w0)]
		w2 := w[(r+2)*ldw:][:len(w0)]
		w3 := w[(r+3)*ldw:][:len(w0)]
		for i, v := range w0 {
			d := (*[step]float32)(panel[i*Panel+r:])
			d[0], d[1], d[2], d[3] = v, w1[i], w2[i], w3[i]
		}
	}
	for ; r < rows; r++ {
		for i, v := range w[r*ldw:][:k] {
			panel[i*Panel+r] = v
		}
	}
}

// packTransposed packs the weights bᵀ into the panels dst, where b is (k, n) with
// row stride ldb. A row of b is contiguous in a panel, too.
func packTransposed(dst, b []float32, ldb, n, k int) {
	for n0 := 0; n0 < n; n0 += Panel {
		panel := dst[n0*k:]
		width := min(Panel, n-n0)
		for i := 0; i < k; i++ {
			row := panel[i*Panel : (i+1)*Panel]
			copy(row, b[i*ldb+n0:][:width])
			clear(row[width:])
		}
	}
}

// Unpack is the inverse of Pack: it writes panels of n outputs and k inputs to dst,
// (n, k) with row stride ldd. Large ones are spread over the cores.
func Unpack(dst []float32, ldd int, panels []float32, n, k int) {
	checkMatrix("Unpack: dst", len(dst), ldd, n, k)
	checkLen("Unpack: panels", len(panels), PackedLen(n, k))
	limit := 1
	if n*k >= parallelUnpack {
		limit = workers
	}
	run(&unpacking{dst, ldd, panels, n, k}, (n+Panel-1)/Panel, limit)
}

// Unpack uses several cores from this many weights on.
const parallelUnpack = 1 << 16

// An unpacking is one call of Unpack. Its units are panels.
type unpacking struct {
	dst    []float32
	ldd    int
	panels []float32
	n, k   int
}

func (u *unpacking) unit(_, at int) {
	panel := u.panels[at*Panel*u.k:]
	for r := at * Panel; r < min((at+1)*Panel, u.n); r++ {
		row := u.dst[r*u.ldd:][:u.k]
		for i := range row {
			row[i] = panel[i*Panel+r%Panel]
		}
	}
}
