package kernel

// WeightsBF16 are packed weights in BF16, in the pairs layout that BF16 dot
// products read (known as VNNI): panels of 32 outputs, within a panel pairs of
// consecutive inputs, [ceil(N/32)][ceil(K/32)·16][32][2]. Elements beyond N and K
// are zero.
type WeightsBF16 struct {
	N, K   int
	Panels []uint16
}

// PackedLenBF16 returns the number of elements of n packed outputs of k inputs in
// BF16.
func PackedLenBF16(n, k int) int { return panels(n) * Panel * paddedBF16(k) }

// paddedBF16 rounds k up to a multiple of 32, the depth of an AMX tile.
func paddedBF16(k int) int { return (k + 31) &^ 31 }

// PackBF16 rounds the weights w, (n, k) with row stride ldw, to BF16 and packs them
// into the panels dst.
func PackBF16(dst []uint16, w []float32, ldw, n, k int) {
	checkMatrix("PackBF16: w", len(w), ldw, n, k)
	checkLen("PackBF16: dst", len(dst), PackedLenBF16(n, k))
	padded := paddedBF16(k)
	row := make([]uint16, padded)
	for o := range panels(n) * Panel {
		if o < n {
			toFloat16(row[:k], w[o*ldw:][:k], BF16)
		} else {
			clear(row)
		}
		panel := dst[o/Panel*Panel*padded:]
		for i := 0; i < padded; i += 2 {
			at := (i/2*Panel + o%Panel) * 2
			panel[at], panel[at+1] = row[i], row[i+1]
		}
	}
}

// UnpackBF16 is the inverse of PackBF16, apart from the rounding: it writes w to
// dst, (n, k) with row stride ldd.
func UnpackBF16(dst []float32, ldd int, w WeightsBF16) {
	checkMatrix("UnpackBF16: dst", len(dst), ldd, w.N, w.K)
	checkLen("UnpackBF16: panels", len(w.Panels), PackedLenBF16(w.N, w.K))
	padded := paddedBF16(w.K)
	for o := range w.N {
		panel := w.Panels[o/Panel*Panel*padded:]
		for i := range w.K {
			dst[o*ldd+i] = fromBF16(panel[(i/2*Panel+o%Panel)*2+i%2])
		}
	}
}

// unpackPairsGeneric converts pairs, (k/2, 32, 2) in BF16, to dst (k, 32).
func unpackPairsGeneric(dst []float32, pairs []uint16) {
	for ; len(pairs) >= 2*Panel; pairs, dst = pairs[2*Panel:], dst[2*Panel:] {
		from, to := (*[2 * Panel]uint16)(pairs), (*[2 * Panel]float32)(dst)
		for j := range Panel {
			to[j], to[Panel+j] = fromBF16(from[2*j]), fromBF16(from[2*j+1])
		}
	}
}

// packPairsGeneric rounds src (k, 32), k even, to pairs, (k/2, 32, 2) in BF16.
func packPairsGeneric(pairs []uint16, src []float32) {
	for ; len(src) >= 2*Panel; pairs, src = pairs[2*Panel:], src[2*Panel:] {
		to, from := (*[2 * Panel]uint16)(pairs), (*[2 * Panel]float32)(src)
		for j := range Panel {
			to[2*j], to[2*j+1] = toBF16(from[j]), toBF16(from[Panel+j])
		}
	}
}

// pairGeneric interleaves src (k, 32), 16-bit numbers with row stride lds, to pairs
// (k/2, 32, 2). The length of pairs determines k, which is even.
//
//lint:ignore U1000 only machines without assembly call it
func pairGeneric(pairs, src []uint16, lds int) {
	for ; len(pairs) >= 2*Panel; pairs, src = pairs[2*Panel:], src[min(2*lds, len(src)):] {
		to, first, second := (*[2 * Panel]uint16)(pairs), (*[Panel]uint16)(src), (*[Panel]uint16)(src[lds:])
		for j := range Panel {
			to[2*j], to[2*j+1] = first[j], second[j]
		}
	}
}
