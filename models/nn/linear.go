package nn

import "eigenserve/runtime/kernel"

// Linear is y = activation(Wx + b) with the weights of each group's variant.
type Linear struct {
	layer      int // in Plan.Layers
	in, out    int
	activation Activation
}

// Then returns the layer ending in an activation.
func (l Linear) Then(a Activation) Linear {
	l.activation = a
	return l
}

// Forward maps x (rows, in) to a new (rows, out).
func (l Linear) Forward(p *Pass, x []float32) []float32 {
	y := p.Floats(len(x) / l.in * l.out)
	l.run(p, y, x, nil)
	return y
}

// ForwardAdd adds the layer's answer to x (rows, in) onto y (rows, out).
func (l Linear) ForwardAdd(p *Pass, y, x []float32) { l.run(p, y, x, y) }

// run is the one place where a shared layer meets its weights: a group's slab,
// or the basis for as many groups as share it.
func (l Linear) run(p *Pass, y, x, residual []float32) {
	if p.tape != nil {
		p.tape.linear(l, y, x)
	}
	perImage := len(x) / l.in / p.images
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
			w.multiply(y, l.out, x, l.in, images*perImage, kernel.Epilogue{Activation: l.activation, Residual: residual})
		}
		rows := images * perImage
		groups, x, y = groups[n:], x[rows*l.in:], y[rows*l.out:]
		if residual != nil {
			residual = y
		}
	}
}
