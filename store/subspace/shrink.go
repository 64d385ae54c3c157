package subspace

import "eigenserve/runtime/kernel"

// prior is how many members the metric's own choice of directions counts for.
//
// Few members leave most directions out, and what they say of the rest is that
// nothing is ever there: the next checkpoint then pays for it. Measured on the
// zoo, what 12 added models need for an agreement of 0.99, without and with a
// prior of 1 to 4: from 11.3% of the float16 bytes to 0.65–0.87% with 2 members,
// 1.9% to 0.47–0.50% with 8, 0.60% to 0.47% with 32, about the same with 200.
const prior = 2

// shrink mixes the upper half of one side's second moments (n,n) with those of
// deltas that are as likely in every weight, which in the metric's coordinates are
// SᵀS, as if prior of the members were such. Their trace stays.
func shrink(moments []float64, n int, s *factor, members int) {
	turned, gram := make([]float32, n*n), make([]float32, n*n)
	kernel.Unpack(turned, n, s.panels, n, n) // Sᵀ
	kernel.Gemm(false, true, n, n, n, turned, n, turned, n, gram, n, false)
	size := 0.0
	for i := range n {
		size += float64(gram[i*n+i])
	}
	share := prior / float64(prior+members)
	add := share * trace(moments, n) / size
	for i, g := range gram {
		moments[i] = (1-share)*moments[i] + add*float64(g)
	}
}

// shrinkMoments does so on each side of which all directions are kept. Where
// they are capped, it is the members' own that count.
func (f *layerFit) shrinkMoments(p, q int) {
	if f.weighing == nil {
		return
	}
	if p == f.Rows() {
		shrink(f.left, p, f.weighing.output, len(f.sources))
	}
	if q == f.Width() {
		shrink(f.right, q, f.weighing.input, len(f.sources))
	}
}
