package nn

import "eigenserve/runtime/kernel"

// LayerNorm scales each row to mean 0 and variance 1, then by a weight and a
// bias of each group's variant.
type LayerNorm struct {
	weight, bias Parameter
	width        int
	eps          float32
}

// Forward maps x (rows, width) to a new slice of the same shape.
func (l LayerNorm) Forward(p *Pass, x []float32) []float32 {
	normed := p.Floats(len(x))
	if p.tape != nil {
		p.tape.norm(l, normed, x)
	}
	y := normed
	perImage := len(x) / l.width / p.images
	for _, g := range p.groups {
		rows := g.Images * perImage
		kernel.LayerNorm(y, x, rows, l.width, l.weight.of(g), l.bias.of(g), l.eps)
		x, y = x[rows*l.width:], y[rows*l.width:]
	}
	return normed
}
