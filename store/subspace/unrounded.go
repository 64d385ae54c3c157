package subspace

import (
	"slices"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
)

// Latents are a checkpoint's coefficients on their way to integers: numbers that
// may still move before they are rounded. Their tensors are the basis's layers,
// then its vectors. They serve one goroutine at a time.
type Latents struct {
	// Values are in steps: (q,p) of each layer, as it lies of each vector.
	Values [][]float32

	thresholds   [][]float32 // what a magnitude's fraction must reach to be rounded up: 1−f
	step         float64     // absolute
	relative     float64     // in units of the family's root-mean-square coefficient
	projector    *Projector
	coefficients *Coefficients
	blocks       []block // without integers

	left, right, product []float32 // scratch of Gradient
}

// Latents gives coefficients in steps, for a step as Quantise has it. Rounded as
// they are, they are what Quantise codes.
func (p *Projector) Latents(c *Coefficients, step float64) (*Latents, error) {
	absolute := step * unit(p.basis)
	if err := checkStep(c, step, absolute); err != nil {
		return nil, err
	}
	l := &Latents{step: absolute, relative: step, projector: p, coefficients: c}
	for i, x := range c.tensors() {
		left, right := expected(p.basis, i)
		b := newBlock(x, left, right, absolute)
		values, thresholds := make([]float32, len(x)), make([]float32, len(x))
		for j, right := range b.Right {
			for k, left := range b.Left {
				at := j*len(b.Left) + k
				values[at], thresholds[at] = float32(float64(x[at])/absolute), float32(1-rounding(right*left))
			}
		}
		l.blocks = append(l.blocks, b)
		l.Values, l.thresholds = append(l.Values, values), append(l.thresholds, thresholds)
	}
	return l, nil
}

// Step is the absolute step.
func (l *Latents) Step() float64 { return l.step }

// rounded is the integer that value k of tensor i is coded as.
func (l *Latents) rounded(i, k int) int32 {
	x, up := l.Values[i][k], 1-l.thresholds[i][k]
	if x < 0 {
		return -int32(up - x)
	}
	return int32(up + x)
}

// Sparse rounds layer i into out, whose memory is used again.
func (l *Latents) Sparse(i int, out *rans.Sparse) {
	p, _ := l.projector.basis.Layers[i].Directions()
	out.Rights, out.Lefts, out.Q = out.Rights[:0], out.Lefts[:0], out.Q[:0]
	out.Starts = append(out.Starts[:0], 0)
	for from := 0; from < len(l.Values[i]); from += p {
		for k := range p {
			if q := l.rounded(i, from+k); q != 0 {
				out.Lefts, out.Q = append(out.Lefts, int32(k)), append(out.Q, q)
			}
		}
		if n := int32(len(out.Q)); n > out.Starts[len(out.Starts)-1] {
			out.Rights, out.Starts = append(out.Rights, int32(from/p)), append(out.Starts, n)
		}
	}
}

// Integers rounds tensor i.
func (l *Latents) Integers(i int) []int32 {
	q := make([]int32, len(l.Values[i]))
	for k := range q {
		q[k] = l.rounded(i, k)
	}
	return q
}

// Gradient takes a loss's gradient with respect to Ŵ of layer i, dw (m,width), to
// that with respect to its C, which is LᵀdwRᵀ: dc (q,p), transposed as
// coefficients are.
func (l *Latents) Gradient(i int, dc, dw []float32) error {
	b, at := &l.projector.basis.Layers[i], l.projector.layers[i]
	l.left, l.right = resized(l.left, b.Left.Len()), resized(l.right, b.Right.Len())
	if err := b.Left.Float32(l.left); err != nil {
		return err
	}
	if err := b.Right.Float32(l.right); err != nil {
		return err
	}
	l.product = resized(l.product, at.m*at.q) // dw·Rᵀ (m,q)
	kernel.Gemm(false, true, at.m, at.q, at.width, dw, at.width, l.right, at.width, l.product, at.q, false)
	kernel.Gemm(true, false, at.q, at.p, at.m, l.product, at.q, l.left, at.p, dc, at.p, false)
	return nil
}

// Encode rounds the latents into a variant, and sets all that Quantise sets.
func (l *Latents) Encode(v *store.Variant) error {
	blocks := slices.Clone(l.blocks)
	for i := range blocks {
		blocks[i].Q = l.Integers(i)
	}
	return l.projector.finish(v, l.coefficients, blocks, l.relative, l.step)
}
