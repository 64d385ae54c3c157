package nn

import "eigenserve/runtime/kernel"

// Head is a linear layer that each variant keeps for itself, such as a classifier. Its
// number of outputs may differ between the groups of one pass.
type Head struct {
	index int // in Weights.Heads
	in    int
}

// Forward maps x (spans, in) to one slice of logits for each span, with one logit for
// each label of the span's variant.
func (h Head) Forward(p *Pass, x []float32) [][]float32 {
	start := len(p.logits)
	if p.tape != nil {
		p.tape.head(h, x, start)
	}
	for _, g := range p.groups {
		w := &g.weights.Heads[h.index]
		labels := w.Outputs()
		y := p.Floats(g.spans * labels)
		w.multiply(kernel.Float32s(y, labels), kernel.Float32s(x, h.in), g.spans, kernel.Epilogue{})
		for range g.spans {
			p.logits = append(p.logits, y[:labels:labels])
			y = y[labels:]
		}
		x = x[g.spans*h.in:]
	}
	return p.logits[start:]
}

// Features replaces the only head of w by the identity. A pass then returns what the
// head reads in place of logits, and any head can be tried on it without another pass.
func (p *Plan) Features(w *Weights) {
	n := p.Heads()[0].Inputs
	identity := make([]float32, n*n)
	for i := range n {
		identity[i*n+i] = 1
	}
	var d Dense
	d.bind(Float32, n, n, make([]float32, kernel.PackedLen(n, n)))
	d.Pack(identity)
	w.Heads = []Dense{d}
}
