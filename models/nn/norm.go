package nn

import "eigenserve/runtime/kernel"

// LayerNorm scales each row to mean 0 and variance 1, then by a weight and a bias of
// each group's variant.
type LayerNorm struct {
	weight, bias Parameter
	width        int
	eps          float32
}

// Forward maps x (count, width) to new rows of the same shape.
func (l LayerNorm) Forward(p *Pass, x []float32) Rows {
	return l.run(p, p.newRows(len(x)/l.width, l.width, false), x)
}

// ForwardFloat32 is Forward with an output in float32 and without gaps, whatever the
// pass computes in.
func (l LayerNorm) ForwardFloat32(p *Pass, x []float32) []float32 {
	return l.run(p, Float32s(p.Floats(len(x)), l.width), x).F32
}

func (l LayerNorm) run(p *Pass, y Rows, x []float32) Rows {
	if p.tape != nil {
		p.tape.norm(l, y.F32, x)
	}
	rest := y
	for _, g := range p.groups {
		rows := p.rowsOf(g, y.Count)
		kernel.LayerNorm(rest.Matrix, x, rows, l.width, l.weight.values(g), l.bias.values(g), l.eps)
		x, rest = x[rows*l.width:], rest.from(rows)
	}
	return y
}
