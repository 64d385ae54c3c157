package main

import (
	"fmt"
	"math"
	"slices"
)

// patch is the side of a patch.
const patch = 16

// deltaDCT transforms patches of every matrix's delta to the cosine domain. It rounds the
// patches of most energy to 2 bits, the next to 1 bit, with a scale for each patch, and
// drops the rest (Huang and others, arXiv:2503.06676).
func deltaDCT(f *family) []coder {
	var out []coder
	for _, share := range [][2]float64{{0.1, 0.1}, {0.25, 0.25}, {0.5, 0}, {0, 1}, {0.5, 0.5}, {1, 0}} {
		out = append(out, f.onDeltas("Delta-DCT", fmt.Sprintf("%g%% at 2 bits, %g%% at 1", 100*share[0], 100*share[1]), func(_ *checkpointAt, deltas [][]float32) float64 {
			return f.matrices(deltas, func(_ int, t tensor, d []float32) float64 { return cosineCoded(d, t, share) })
		}))
	}
	return out
}

// cosineCoded replaces a delta by what deltaDCT keeps of it, and returns the bits.
func cosineCoded(d []float32, t tensor, share [2]float64) float64 {
	var patches [][]float32
	for r := 0; r < t.rows; r += patch {
		for c := 0; c < t.cols; c += patch {
			p := make([]float32, patch*patch)
			for i := range p {
				if y, x := r+i/patch, c+i%patch; y < t.rows && x < t.cols {
					p[i] = d[y*t.cols+x]
				}
			}
			patches = append(patches, transformed(p, false))
		}
	}
	order := make([]int, len(patches))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if energy(patches[a]) > energy(patches[b]) {
			return -1
		}
		return 1
	})
	bits, n := float64(len(patches)), float64(len(patches)) // the number of bits of each patch
	for k, i := range order {
		switch at := float64(k) + 0.5; {
		case at < share[0]*n:
			rounded(patches[i], 2)
			bits += 2*patch*patch + 16
		case at < (share[0]+share[1])*n:
			rounded(patches[i], 1)
			bits += patch*patch + 16
		default:
			clear(patches[i])
		}
	}
	across := (t.cols + patch - 1) / patch
	for k, p := range patches {
		p = transformed(p, true)
		for i := range p {
			if y, x := k/across*patch+i/patch, k%across*patch+i%patch; y < t.rows && x < t.cols {
				d[y*t.cols+x] = p[i]
			}
		}
	}
	return bits
}

// basis is the orthonormal cosine transform (DCT-II), with a row for each frequency.
var basis = func() (b [patch][patch]float64) {
	for k := range patch {
		scale := math.Sqrt(2.0 / patch)
		if k == 0 {
			scale = math.Sqrt(1.0 / patch)
		}
		for i := range patch {
			b[k][i] = scale * math.Cos(math.Pi*float64(k)*(float64(i)+0.5)/patch)
		}
	}
	return b
}()

// transformed returns a patch in the cosine domain, or transforms it back.
func transformed(p []float32, back bool) []float32 {
	at := func(k, i int) float64 {
		if back {
			return basis[i][k]
		}
		return basis[k][i]
	}
	half, out := make([]float64, len(p)), make([]float32, len(p))
	for r := range patch {
		for k := range patch {
			for i := range patch {
				half[r*patch+k] += at(k, i) * float64(p[r*patch+i])
			}
		}
	}
	for c := range patch {
		for k := range patch {
			sum := 0.0
			for i := range patch {
				sum += at(k, i) * half[i*patch+c]
			}
			out[k*patch+c] = float32(sum)
		}
	}
	return out
}
