package nn

import "eigenserve/runtime/kernel"

// Head is the linear layer that a variant keeps for itself and ends in: its
// number of outputs differs between the groups of one pass.
type Head struct {
	index int // in Weights.Heads
	in    int
}

// Forward maps x (images, in) to one slice of scores for each image, as long as
// its variant has labels.
func (h Head) Forward(p *Pass, x []float32) [][]float32 {
	start := len(p.answers)
	if p.tape != nil {
		p.tape.head(h, x, start)
	}
	for _, g := range p.groups {
		w := &g.Weights.Heads[h.index]
		labels := w.Outputs()
		y := p.Floats(g.Images * labels)
		w.multiply(kernel.Float32s(y, labels), kernel.Float32s(x, h.in), g.Images, kernel.Epilogue{})
		for range g.Images {
			p.answers = append(p.answers, y[:labels:labels])
			y = y[labels:]
		}
		x = x[g.Images*h.in:]
	}
	return p.answers[start:]
}
