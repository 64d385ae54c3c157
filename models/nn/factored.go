package nn

import "eigenserve/runtime/kernel"

// Factored are the shared layers of a variant with nothing rebuilt: the family's basis
// and the variant's cores. Consecutive groups of one basis are multiplied by it
// together.
type Factored struct {
	Basis     []kernel.Layer // by index in Plan.Layers; shared by the family
	Cores     []kernel.Core  // by index in Plan.Layers; the variant's own
	Precision Precision      // of the products
}

// factored runs the layer for consecutive groups that share a basis, on their rows of
// an activation of count: from x (rows, in) to y (rows, out).
func (l Linear) factored(p *Pass, groups []group, count, rows int, y, x Rows, residual []float32) {
	defer p.Free(p.Mark())
	p.runs = p.runs[:0]
	for _, g := range groups {
		p.runs = append(p.runs, kernel.Group{Rows: p.rowsOf(g, count), Core: &g.weights.Factored.Cores[l.layer]})
	}
	f := groups[0].weights.Factored
	basis := &f.Basis[l.layer]
	scratch := p.Floats(kernel.FactoredScratch(basis, rows))
	e := kernel.Epilogue{Activation: l.activation, Residual: residual}
	if f.Precision == BFloat16 {
		kernel.FactoredBF16(y.Matrix, x.Matrix, p.runs, basis, e, scratch)
		return
	}
	kernel.Factored(y.F32, y.Stride, x.F32, x.Stride, p.runs, basis, e, scratch)
}

// sharingBasis returns how many groups, from the first on, one factored product can
// compute: those on the basis of the first and in its precision.
func sharingBasis(groups []group) int {
	first := groups[0].weights.Factored
	for i, g := range groups[1:] {
		f := g.weights.Factored
		if f == nil || f.Precision != first.Precision || &f.Basis[0] != &first.Basis[0] {
			return i + 1
		}
	}
	return len(groups)
}
