package nn

import "eigenserve/runtime/kernel"

// Linear is y = activation(Wx + b) with the weights of each group's variant.
type Linear struct {
	layer      int // in Plan.Layers
	in, out    int
	activation Activation
	wide       bool // its answers are float32 in any pass
}

// Then returns the layer ending in an activation.
func (l Linear) Then(a Activation) Linear {
	l.activation = a
	return l
}

// Forward maps x (rows, in) to new rows (rows, out).
func (l Linear) Forward(p *Pass, x Rows) Rows {
	y := p.rows(x.Count, l.out, l.wide)
	l.run(p, y, x, nil)
	return y
}

// ForwardFloat32 is Forward with answers in float32 and without gaps, in any pass.
func (l Linear) ForwardFloat32(p *Pass, x Rows) []float32 {
	y := p.Floats(x.Count * l.out)
	l.run(p, Float32s(y, l.out), x, nil)
	return y
}

// ForwardAdd adds the layer's answer to x (rows, in) onto y (rows, out).
func (l Linear) ForwardAdd(p *Pass, y []float32, x Rows) { l.run(p, Float32s(y, l.out), x, y) }

// run is the one place where a shared layer meets its weights: a group's slab,
// or the basis for as many groups as share it.
func (l Linear) run(p *Pass, y, x Rows, residual []float32) {
	if p.tape != nil {
		p.tape.linear(l, y.F32, x.F32)
	}
	perImage := x.Count / p.images
	for groups := p.groups; len(groups) > 0; {
		n, images := 1, groups[0].Images
		if groups[0].Weights.Factored != nil {
			n = together(groups)
			for _, g := range groups[1:n] {
				images += g.Images
			}
			l.factored(p, groups[:n], perImage, y, x, residual)
		} else {
			w := &groups[0].Weights.Layers[l.layer]
			w.multiply(y.Matrix, x.Matrix, images*perImage, kernel.Epilogue{Activation: l.activation, Residual: residual})
		}
		rows := images * perImage
		groups, x, y = groups[n:], x.from(rows), y.from(rows)
		if residual != nil {
			residual = y.F32
		}
	}
}
