package nn

import "eigenserve/runtime/kernel"

// Factored are a variant's shared layers with nothing rebuilt: the family's
// basis and the variant's own cores. A pass may mix variants of one basis; their
// rows then meet the basis together.
type Factored struct {
	Basis     []kernel.Layer // by index in Plan.Layers; shared by the family
	Cores     []kernel.Core  // likewise; the variant's own
	Precision Precision      // of the products
}

// factored runs the layer for a run of groups that share a basis: x (rows, in)
// to y (rows, out), perImage rows for each image.
func (l Linear) factored(p *Pass, groups []Group, perImage int, y, x Rows, residual []float32) {
	defer p.Free(p.Mark())
	p.runs = p.runs[:0]
	total := 0
	for _, g := range groups {
		rows := g.Images * perImage
		total += rows
		p.runs = append(p.runs, kernel.Group{Rows: rows, Core: &g.Weights.Factored.Cores[l.layer]})
	}
	f := groups[0].Weights.Factored
	basis := &f.Basis[l.layer]
	scratch := p.Floats(kernel.FactoredScratch(basis, total))
	e := kernel.Epilogue{Activation: l.activation, Residual: residual}
	if f.Precision == BFloat16 {
		kernel.FactoredBF16(y.Matrix, x.Matrix, p.runs, basis, e, scratch)
		return
	}
	kernel.Factored(y.F32, y.Stride, x.F32, x.Stride, p.runs, basis, e, scratch)
}

// together counts the groups at the head of a list that one factored product
// can serve: those on the first one's basis, in its precision.
func together(groups []Group) int {
	first := groups[0].Weights.Factored
	for i, g := range groups[1:] {
		f := g.Weights.Factored
		if f == nil || f.Precision != first.Precision || &f.Basis[0] != &first.Basis[0] {
			return i + 1
		}
	}
	return len(groups)
}
