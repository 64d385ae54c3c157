package subspace

import (
	"slices"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
)

// Unrounded holds coefficients in steps that are not yet rounded to integers, so that a
// training step can still change them. Its tensors are the basis's layers, then its vectors.
// It must not be used by several goroutines at once.
type Unrounded struct {
	// Values holds coefficients in steps: (q,p) of each layer, then those of each vector.
	Values [][]float32

	thresholds   [][]float32 // 1−f: a magnitude whose fraction reaches it is rounded up
	step         float64     // absolute
	relative     float64     // in units of the family's root-mean-square coefficient
	projector    *Projector
	coefficients *Coefficients
	blocks       []block // their integers are not set

	left, right, product []float32 // scratch of Gradient
}

// Unrounded returns coefficients in steps, for a step in the unit of Quantise. Unless Values
// are changed, Encode encodes the same integers as Quantise.
func (p *Projector) Unrounded(c *Coefficients, step float64) (*Unrounded, error) {
	absolute := step * unit(p.basis)
	if err := checkStep(c, step, absolute); err != nil {
		return nil, err
	}
	u := &Unrounded{step: absolute, relative: step, projector: p, coefficients: c}
	for i, x := range c.tensors() {
		left, right := predictedScales(p.basis, i)
		b := newBlock(x, left, right, absolute)
		values, thresholds := make([]float32, len(x)), make([]float32, len(x))
		for j, right := range b.Right {
			for k, left := range b.Left {
				at := j*len(b.Left) + k
				values[at], thresholds[at] = float32(float64(x[at])/absolute), float32(1-offset(right*left))
			}
		}
		u.blocks = append(u.blocks, b)
		u.Values, u.thresholds = append(u.Values, values), append(u.thresholds, thresholds)
	}
	return u, nil
}

// Step returns the absolute step Δ.
func (u *Unrounded) Step() float64 { return u.step }

// rounded returns the integer for value k of tensor i.
func (u *Unrounded) rounded(i, k int) int32 {
	x, f := u.Values[i][k], 1-u.thresholds[i][k]
	if x < 0 {
		return -int32(f - x)
	}
	return int32(f + x)
}

// Sparse rounds layer i into out, reusing its memory.
func (u *Unrounded) Sparse(i int, out *rans.Sparse) {
	p, _ := u.projector.basis.Layers[i].Directions()
	out.Rights, out.Lefts, out.Q = out.Rights[:0], out.Lefts[:0], out.Q[:0]
	out.Starts = append(out.Starts[:0], 0)
	for from := 0; from < len(u.Values[i]); from += p {
		for k := range p {
			if q := u.rounded(i, from+k); q != 0 {
				out.Lefts, out.Q = append(out.Lefts, int32(k)), append(out.Q, q)
			}
		}
		if n := int32(len(out.Q)); n > out.Starts[len(out.Starts)-1] {
			out.Rights, out.Starts = append(out.Rights, int32(from/p)), append(out.Starts, n)
		}
	}
}

// Integers returns tensor i rounded.
func (u *Unrounded) Integers(i int) []int32 {
	q := make([]int32, len(u.Values[i]))
	for k := range q {
		q[k] = u.rounded(i, k)
	}
	return q
}

// Gradient sets dc (q,p) to the transpose of Lᵀ·dw·Rᵀ, the gradient of a loss with respect to
// C of layer i, given its gradient dw (m,width) with respect to Ŵ.
func (u *Unrounded) Gradient(i int, dc, dw []float32) error {
	b, at := &u.projector.basis.Layers[i], u.projector.layers[i]
	u.left, u.right = resized(u.left, b.Left.Len()), resized(u.right, b.Right.Len())
	if err := b.Left.Float32(u.left); err != nil {
		return err
	}
	if err := b.Right.Float32(u.right); err != nil {
		return err
	}
	u.product = resized(u.product, at.m*at.q) // dw·Rᵀ (m,q)
	kernel.Gemm(false, true, at.m, at.q, at.width, dw, at.width, u.right, at.width, u.product, at.q, false)
	kernel.Gemm(true, false, at.q, at.p, at.m, u.product, at.q, u.left, at.p, dc, at.p, false)
	return nil
}

// Encode rounds and encodes the values, and sets the fields of v that Quantise sets.
func (u *Unrounded) Encode(v *store.Variant) error {
	blocks := slices.Clone(u.blocks)
	for i := range blocks {
		blocks[i].Q = u.Integers(i)
	}
	return u.projector.finish(v, u.coefficients, blocks, u.relative, u.step)
}
