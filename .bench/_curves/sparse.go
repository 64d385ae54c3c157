package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// ultraDelta rounds every matrix's delta to 4 bits, drops the same share of each level at
// random, less in matrices of large variance, and rescales the rest (Wang and others,
// arXiv:2505.13563). Two things favour it here: the factor of their trace norm is swept,
// and the size is the entropy of each matrix's symbols, which no real coder reaches.
func ultraDelta(f *family) []coder {
	var out []coder
	for _, keep := range []float64{0.5, 0.25, 0.1, 0.05, 0.02} {
		for _, rescale := range []float64{1, 0.7, 0.4} {
			out = append(out, f.onDeltas("UltraDelta", fmt.Sprintf("keep %g%%, rescale %g of full", 100*keep, rescale), func(c *checkpointAt, deltas [][]float32) float64 {
				third := f.byVariance(deltas)
				return f.matrices(deltas, func(i int, t tensor, d []float32) float64 {
					share := keep * (1 + 0.3*float64(third[i]-1))
					return pruned(d, share, 1+rescale*(1/share-1), rand.New(rand.NewPCG(1, uint64(i))))
				})
			}))
		}
	}
	return out
}

// byVariance returns for every matrix whether it is in the third of least (0), middle (1)
// or largest (2) variance.
func (f *family) byVariance(deltas [][]float32) map[int]int {
	var order []int
	for i, t := range f.tensors {
		if t.rows > 1 {
			order = append(order, i)
		}
	}
	variance := func(i int) float64 { return energy(deltas[i]) / float64(len(deltas[i])) }
	slices.SortFunc(order, func(a, b int) int {
		if variance(a) < variance(b) {
			return -1
		}
		return 1
	})
	third := map[int]int{}
	for k, i := range order {
		third[i] = 3 * k / len(order)
	}
	return third
}

// pruned rounds d, keeps a share of each level at random and rescales it. It returns the
// entropy of the result in bits.
func pruned(d []float32, share, rescale float64, r *rand.Rand) float64 {
	rounded(d, 4)
	levels := map[float32][]int{}
	for i, x := range d {
		levels[x] = append(levels[x], i)
	}
	counts := map[float32]int{}
	for _, x := range slices.Sorted(func(yield func(float32) bool) {
		for x := range levels {
			if !yield(x) {
				return
			}
		}
	}) {
		at := levels[x]
		r.Shuffle(len(at), func(i, k int) { at[i], at[k] = at[k], at[i] })
		keep := int(math.Round(share * float64(len(at))))
		counts[x], counts[0] = keep, counts[0]+len(at)-keep
		for k, i := range at {
			if d[i] = 0; k < keep {
				d[i] = float32(float64(x) * rescale)
			}
		}
	}
	return entropy(counts) + 16
}

// entropy returns the entropy of all symbols in bits, by their counts.
func entropy[K comparable](counts map[K]int) float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			bits -= float64(n) * math.Log2(float64(n)/float64(total))
		}
	}
	return bits
}
