package subspace

import (
	"math"

	"eigenserve/store"
)

// measure sets the shares of the deltas' energy that are kept. With a metric and all
// directions, the energies of a delta and of its error in the metric are those of their
// coefficients. Otherwise measure rebuilds the tensors and compares them with the original.
func (p *Projector) measure(f *store.Fidelity, c *Coefficients, blocks []block, step float64) error {
	if p.basis.Metric == MetricNone || !isComplete(p.basis) {
		return p.measureWeights(f, c, blocks, step)
	}
	f.Energies = nil
	var lost, total float64
	for i, z := range c.tensors() {
		rest := dequantised(blocks[i].Q, -step)
		for k, x := range z {
			rest[k] += x
		}
		was, left := energy(z), energy(rest)
		lost, total = lost+left, total+was
		f.Energies = append(f.Energies, tensorShare(left, was))
	}
	f.Energy = keptShare(lost, total)
	return nil
}

// isComplete reports whether a basis has all directions of every layer.
func isComplete(b *store.Basis) bool {
	for i := range b.Layers {
		l := &b.Layers[i]
		if left, right := l.Directions(); left < l.Rows() || right < l.Width() {
			return false
		}
	}
	return true
}

// measureWeights sets the shares from the weights.
func (p *Projector) measureWeights(f *store.Fidelity, c *Coefficients, blocks []block, step float64) error {
	f.Energies = nil
	var lost, total float64
	add := func(delta, rest []float32) {
		was, left := energy(delta), energy(rest)
		lost, total = lost+left, total+was
		f.Energies = append(f.Energies, tensorShare(left, was))
	}
	for i := range p.basis.Layers {
		l := &p.basis.Layers[i]
		left, right, err := directions(l)
		if err != nil {
			return err
		}
		np, nq := l.Directions()
		rest := append([]float32(nil), c.deltas[i]...)
		if err := addDelta(rest, left, right, dequantised(blocks[i].Q, -step), np, nq); err != nil {
			return err
		}
		add(c.deltas[i], rest)
	}
	for i := range p.basis.Vectors {
		v, k := &p.basis.Vectors[i], len(p.basis.Layers)+i
		rest := dequantised(blocks[k].Q, -step)
		for j := range rest {
			rest[j] = c.deltas[k][j] + v.Scale[j]*rest[j]
		}
		add(c.deltas[k], rest)
	}
	f.Energy = keptShare(lost, total)
	return nil
}

// keptShare returns 1 − lost/total, rounded to four digits to keep the file short.
func keptShare(lost, total float64) float64 {
	if total == 0 {
		return 1
	}
	return math.Round(1e4*(1-lost/total)) / 1e4
}

// tensorShare is keptShare of a single tensor, rounded to two digits.
func tensorShare(lost, total float64) float64 { return math.Round(1e2*keptShare(lost, total)) / 1e2 }

// dequantised returns q times step.
func dequantised(q []int32, step float64) []float32 {
	v := make([]float32, len(q))
	for i, x := range q {
		v[i] = float32(float64(x) * step)
	}
	return v
}

// energy returns the squared norm of z.
func energy(z []float32) float64 {
	e := 0.0
	for _, x := range z {
		e += float64(x) * float64(x)
	}
	return e
}
