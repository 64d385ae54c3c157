package kernel

import "fmt"

// Weights are the packed weights of a linear layer with N outputs and K
// inputs: panels of 32 outputs, [ceil(N/32)][K][32], so that one input's
// weights for a whole panel are contiguous. The outputs beyond N are zero.
type Weights struct {
	N, K   int
	Panels []float32
}

// PackedLen is the number of float32s that n outputs of k inputs take packed.
func PackedLen(n, k int) int { return panels(n) * Panel * k }

func panels(n int) int { return (n + Panel - 1) / Panel }

// Pack lays the weights w, (n, k) with row stride ldw, into the panels dst.
func Pack(dst, w []float32, ldw, n, k int) {
	checkMatrix("Pack: w", len(w), ldw, n, k)
	checkLen("Pack: dst", len(dst), PackedLen(n, k))
	for n0 := 0; n0 < n; n0 += Panel {
		packPanel(dst[n0*k:(n0+Panel)*k], w[n0*ldw:], ldw, min(Panel, n-n0), k)
	}
}

// packPanel transposes rows×k of w into one panel, whose missing outputs it
// fills with zeros.
func packPanel(panel, w []float32, ldw, rows, k int) {
	r, i := turn(panel, w, ldw, rows, k)
	packRows(panel[i*Panel:], w[i:], ldw, r, k-i)
	if r < rows {
		packRows(panel[r:], w[r*ldw:], ldw, rows-r, k)
	}
	if rows == Panel {
		return
	}
	for i := range k {
		clear(panel[i*Panel+rows : (i+1)*Panel])
	}
}

// packRows transposes rows×k of w into the first places of a panel's inputs.
func packRows(panel, w []float32, ldw, rows, k int) {
	if k == 0 {
		return
	}
	// Four rows at a time: each step then fills a quarter of a cache line.
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

// Unpack is Pack's inverse: panels of n outputs and k inputs become dst,
// (n, k) with row stride ldd.
func Unpack(dst []float32, ldd int, panels []float32, n, k int) {
	checkMatrix("Unpack: dst", len(dst), ldd, n, k)
	checkLen("Unpack: panels", len(panels), PackedLen(n, k))
	most := 1
	if n*k >= parallelUnpack {
		most = workers
	}
	run(&unpacking{dst, ldd, panels, n, k}, (n+Panel-1)/Panel, most)
}

// parallelUnpack is how many weights are unpacked on several cores.
const parallelUnpack = 1 << 16

// unpacking has a panel as its unit.
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

// packTransposed lays the weights whose transpose is b, (k, n) with row stride
// ldb, into the panels dst: what a row of b holds is contiguous in a panel too.
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

func checkLen(what string, have, need int) {
	if have < need {
		panic(fmt.Sprintf("kernel: %s has %d elements, needs %d", what, have, need))
	}
}

func checkMatrix(what string, have, stride, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if stride < cols {
		panic(fmt.Sprintf("kernel: %s has row stride %d, narrower than its %d columns", what, stride, cols))
	}
	checkLen(what, have, (rows-1)*stride+cols)
}
