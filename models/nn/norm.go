package nn

import "eigenserve/runtime/kernel"

// LayerNorm scales each row to mean 0 and variance 1, then by a weight and a
// bias of each group's variant.
type LayerNorm struct {
	weight, bias Parameter
	width        int
	eps          float32
}

// Forward maps x (rows, width) to new rows of the same shape.
func (l LayerNorm) Forward(p *Pass, x []float32) Rows {
	return l.run(p, p.rows(len(x)/l.width, l.width, false), x)
}

// ForwardFloat32 is Forward with answers in float32 and without gaps, in any pass.
func (l LayerNorm) ForwardFloat32(p *Pass, x []float32) []float32 {
	return l.run(p, Float32s(p.Floats(len(x)), l.width), x).F32
}

func (l LayerNorm) run(p *Pass, normed Rows, x []float32) Rows {
	if p.tape != nil {
		p.tape.norm(l, normed.F32, x)
	}
	y, perImage := normed, normed.Count/p.images
	for _, g := range p.groups {
		rows := g.Images * perImage
		kernel.LayerNorm(y.Matrix, x, rows, l.width, l.weight.of(g), l.bias.of(g), l.eps)
		x, y = x[rows*l.width:], y.from(rows)
	}
	return normed
}
