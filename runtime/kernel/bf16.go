package kernel

// WeightsBF16 are packed weights in BF16, in the order that processors with
// BF16 products read: panels of 32 outputs, in a panel pairs of inputs,
// [ceil(N/32)][ceil(K/32)·16][32][2]. What is beyond N and K is zero.
type WeightsBF16 struct {
	N, K   int
	Panels []uint16
}

// PackedLenBF16 is the number of uint16s that n outputs of k inputs take packed.
func PackedLenBF16(n, k int) int { return panels(n) * Panel * paddedBF16(k) }

// paddedBF16 is k filled up to whole steps of 32, the depth of an AMX tile.
func paddedBF16(k int) int { return (k + 31) &^ 31 }

// PackBF16 rounds the weights w, (n, k) with row stride ldw, and lays them into
// the panels dst.
func PackBF16(dst []uint16, w []float32, ldw, n, k int) {
	checkMatrix("PackBF16: w", len(w), ldw, n, k)
	checkLen("PackBF16: dst", len(dst), PackedLenBF16(n, k))
	padded := paddedBF16(k)
	row := make([]uint16, padded)
	for o := range panels(n) * Panel {
		if o < n {
			toHalf(row[:k], w[o*ldw:][:k], BF16)
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

// UnpackBF16 is PackBF16's inverse but for the rounding: dst is (n, k) with row
// stride ldd.
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

// splitPairsGeneric turns a panel's part, (k/2, 32, 2) in BF16, into (k, 32) in
// float32.
func splitPairsGeneric(dst []float32, pairs []uint16) {
	for ; len(pairs) >= 2*Panel; pairs, dst = pairs[2*Panel:], dst[2*Panel:] {
		from, to := (*[2 * Panel]uint16)(pairs), (*[2 * Panel]float32)(dst)
		for j := range Panel {
			to[j], to[Panel+j] = fromBF16(from[2*j]), fromBF16(from[2*j+1])
		}
	}
}

// joinPairsGeneric rounds (k, 32) in float32, k even, to a panel's part
// (k/2, 32, 2).
func joinPairsGeneric(pairs []uint16, src []float32) {
	for ; len(src) >= 2*Panel; pairs, src = pairs[2*Panel:], src[2*Panel:] {
		to, from := (*[2 * Panel]uint16)(pairs), (*[2 * Panel]float32)(src)
		for j := range Panel {
			to[2*j], to[2*j+1] = toBF16(from[j]), toBF16(from[Panel+j])
		}
	}
}

// pairGeneric lays rows of 32 in 16 bits, lds apart, into a panel's part
// (k/2, 32, 2) that holds so many, an even number.
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
