package nn

import "eigenserve/runtime/kernel"

// Linear is y = activation(Wx + b) with the weights of each group's variant.
type Linear struct {
	layer         int // in Plan.Layers
	in, out       int
	activation    Activation
	float32Output bool // also in a pass that computes in BF16
}

// WithActivation returns the layer followed by an activation.
func (l Linear) WithActivation(a Activation) Linear {
	l.activation = a
	return l
}

// Forward maps x (count, in) to new rows (count, out).
func (l Linear) Forward(p *Pass, x Rows) Rows {
	y := p.newRows(x.Count, l.out, l.float32Output)
	l.run(p, y, x, nil)
	return y
}

// ForwardFloat32 is Forward with an output in float32 and without gaps, whatever the
// pass computes in.
func (l Linear) ForwardFloat32(p *Pass, x Rows) []float32 {
	y := p.Floats(x.Count * l.out)
	l.run(p, Float32s(y, l.out), x, nil)
	return y
}

// ForwardAdd adds the layer's output for x (count, in) to y (count, out).
func (l Linear) ForwardAdd(p *Pass, y []float32, x Rows) { l.run(p, Float32s(y, l.out), x, y) }

// run is the one place where a shared layer meets its weights: the slab of a group,
// or the basis for as many groups as share it.
func (l Linear) run(p *Pass, y, x Rows, residual []float32) {
	if p.tape != nil {
		p.tape.linear(l, y.F32, x.F32)
	}
	count := x.Count
	for groups := p.groups; len(groups) > 0; {
		n, rows := 1, p.rowsOf(groups[0], count)
		if groups[0].weights.Factored != nil {
			n = sharingBasis(groups)
			for _, g := range groups[1:n] {
				rows += p.rowsOf(g, count)
			}
			l.factored(p, groups[:n], count, rows, y, x, residual)
		} else {
			w := &groups[0].weights.Layers[l.layer]
			w.multiply(y.Matrix, x.Matrix, rows, kernel.Epilogue{Activation: l.activation, Residual: residual})
		}
		groups, x, y = groups[n:], x.from(rows), y.from(rows)
		if residual != nil {
			residual = y.F32
		}
	}
}
