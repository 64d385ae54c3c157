package subspace

import "eigenserve/runtime/kernel"

// pseudoMembers is the number of members that the prior of shrink counts for.
//
// A few members do not use most directions, so on their own they predict zero there, and the
// next checkpoint then takes many bytes. Measured on the zoo, the bytes that 12 added models
// need for an agreement of 0.99, as a share of their float16 bytes, without and with 1 to 4
// pseudo-members: from 11.3% to 0.65–0.87% with 2 members, from 1.9% to 0.47–0.50% with 8,
// from 0.60% to 0.47% with 32, and about the same with 200.
const pseudoMembers = 2

// shrink shrinks the upper half of the second moments (n,n) of one side towards those of
// deltas that are equally likely in every weight, which are SᵀS in the metric's coordinates,
// as if pseudoMembers of the members were such deltas. The trace does not change.
func shrink(moments []float64, n int, s *factor, members int) {
	transposed, gram := make([]float32, n*n), make([]float32, n*n)
	kernel.Unpack(transposed, n, s.panels, n, n) // Sᵀ
	kernel.Gemm(false, true, n, n, n, transposed, n, transposed, n, gram, n, false)
	size := 0.0
	for i := range n {
		size += float64(gram[i*n+i])
	}
	share := pseudoMembers / float64(pseudoMembers+members)
	add := share * trace(moments, n) / size
	for i, g := range gram {
		moments[i] = (1-share)*moments[i] + add*float64(g)
	}
}

// shrinkMoments shrinks the moments of each side of which all directions are kept. If their
// number p or q is limited, the members alone decide which are kept.
func (f *layerFit) shrinkMoments(p, q int) {
	if f.weighting == nil {
		return
	}
	if p == f.Rows() {
		shrink(f.left, p, f.weighting.output, len(f.sources))
	}
	if q == f.Width() {
		shrink(f.right, q, f.weighting.input, len(f.sources))
	}
}
