package subspace

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"eigenserve/store"
	"eigenserve/store/rans"
)

// ErrStep marks a quantisation step that can't be used.
var ErrStep = errors.New("bad quantisation step")

// Quantise codes coefficients with one step, given in units of the family's
// root-mean-square coefficient, and sets the variant's Basis, Family, Step,
// Gains, Coefficients and the Fidelity that follows from them.
func (p *Projector) Quantise(v *store.Variant, c *Coefficients, step float64) error {
	absolute := step * unit(p.basis)
	if err := checkStep(c, step, absolute); err != nil {
		return err
	}
	return p.finish(v, c, p.blocks(c, absolute), step, absolute)
}

// finish codes quantised blocks and sets all that follows from them.
func (p *Projector) finish(v *store.Variant, c *Coefficients, blocks []block, step, absolute float64) error {
	v.Basis, v.Family, v.Step = p.basis.Digest, p.basis.Family, absolute
	if err := encode(v, blocks); err != nil {
		return err
	}
	v.Fidelity.Step = step
	v.Fidelity.Bytes.Coefficients = int64(len(v.Coefficients) + len(v.Gains))
	return p.measure(&v.Fidelity, c, blocks, v.Step)
}

// checkStep refuses a step that no reader could use or that takes a coefficient
// out of the coder's range.
func checkStep(c *Coefficients, step, absolute float64) error {
	if single := float64(float32(absolute)); !(single > 0) || math.IsInf(single, 0) {
		return fmt.Errorf("%w: %g; it must be a positive number", ErrStep, step)
	}
	most := 0.0
	for _, tensors := range [][][]float32{c.Layers, c.Vectors} {
		for _, t := range tensors {
			for _, x := range t {
				most = max(most, math.Abs(float64(x)))
			}
		}
	}
	if !(most/absolute < rans.MaxMagnitude) {
		return fmt.Errorf("%w: %g is too small: the largest coefficient would take %.3g steps", ErrStep, step, most/absolute)
	}
	return nil
}

// block is one tensor's coefficients, quantised.
type block struct {
	rans.Block
	gain     byte
	expected []float32 // the right scales before the gain
}

// encode sets a variant's gains and coefficients.
func encode(v *store.Variant, blocks []block) error {
	plain := make([]rans.Block, len(blocks))
	v.Gains = make([]byte, len(blocks))
	for i := range blocks {
		plain[i], v.Gains[i] = blocks[i].shortest(v.Step)
	}
	var err error
	v.Coefficients, err = rans.Encode(plain)
	return err
}

// Code codes coefficients that are integers already, in steps of v.Step: those
// of each layer (q,p), right-major, and of each vector. It sets the variant's
// Basis, Family, Gains and Coefficients.
func Code(v *store.Variant, b *store.Basis, layers, vectors [][]int32) error {
	v.Basis, v.Family = b.Digest, b.Family
	var blocks []block
	for i, q := range slices.Concat(layers, vectors) {
		blocks = append(blocks, coded(b, i, q, v.Step))
	}
	return encode(v, blocks)
}

// coded makes a block of tensor i's integers.
func coded(b *store.Basis, i int, q []int32, step float64) block {
	left, right := expected(b, i)
	out := newBlock(dequantised(q, step), left, right, step)
	out.Q = q
	return out
}

// blocks quantises every tensor. Layers are rounded by the gain that keeps their mean
// magnitude: the mean of what the coefficients' are to the basis's prediction. Where
// nothing predicts single elements that would round up most of a vector's noise.
func (p *Projector) blocks(c *Coefficients, step float64) []block {
	var out []block
	for i, x := range c.tensors() {
		left, right := expected(p.basis, i)
		f := rounding
		if i >= len(p.basis.Layers) {
			f = nearest
		}
		out = append(out, quantise(x, left, right, step, f))
	}
	return out
}

// tensors are the coefficients of the layers, then those of the vectors.
func (c *Coefficients) tensors() [][]float32 { return slices.Concat(c.Layers, c.Vectors) }

// expected gives the scales of tensor i before its gain: layers come first, and
// of a vector nothing predicts single elements.
func expected(b *store.Basis, i int) (left, right []float32) {
	if i < len(b.Layers) {
		return b.Layers[i].LeftScale, b.Layers[i].RightScale
	}
	return ones(b.Vectors[i-len(b.Layers)].Len()), []float32{float32(unit(b))}
}

// unit is that of steps, the root-mean-square coefficient of the family, and what
// is expected of a vector's coefficient before its gain. A family of one, or of copies, has none: any serves.
func unit(b *store.Basis) float64 {
	if b.RMS == 0 {
		return 1
	}
	return b.RMS
}

// newBlock finds the gain of a tensor's coefficients, and with it the scales that
// the coder is told; the coefficients themselves are still to be set.
func newBlock(c, left, right []float32, step float64) block {
	gain := 0.0
	for j, r := range right {
		for i, l := range left {
			gain += math.Abs(float64(c[j*len(left)+i])) / (float64(l) * float64(r))
		}
	}
	b := block{gain: store.GainByte(gain / float64(len(c))), expected: right}
	b.Left, b.Right = left, stepped(right, b.gain, step)
	return b
}

// octave is as many gain bytes as double a gain.
const octave = 8

// shortest gives the block as it is coded, and its gain: that under which the
// integers take the fewest bits. It differs from what they were rounded by: that
// one counts the many coefficients where next to nothing is expected as much as
// the few that make up the code.
func (b block) shortest(step float64) (rans.Block, byte) {
	if b.gain == 0 {
		return b.Block, 0
	}
	var t rans.Histogram
	for j, r := range b.Right {
		for i, l := range b.Left {
			t.Add(r*l, b.Q[j*len(b.Left)+i])
		}
	}
	gain, least := b.gain, t.Bits(0)
	try := func(g int) {
		if g < 1 || g > 255 {
			return
		}
		if bits := t.Bits(g - int(b.gain)); bits < least {
			gain, least = byte(g), bits
		}
	}
	for g := octave; g <= 255; g += octave {
		try(g)
	}
	for coarse, d := int(gain), 1; d < octave; d++ {
		try(coarse - d)
		try(coarse + d)
	}
	b.Block.Right = stepped(b.expected, gain, step)
	return b.Block, gain
}

// quantise rounds to q = sgn c ⌊|c|+f⌋, c in steps, where f is that of the scale, in
// steps too, that is expected of c.
func quantise(c, left, right []float32, step float64, f func(scale float32) float64) block {
	b := newBlock(c, left, right, step)
	b.Q = make([]int32, len(c))
	for j, r := range b.Right {
		for i, l := range left {
			b.Q[j*len(left)+i] = round(float64(c[j*len(left)+i])/step, f(r*l))
		}
	}
	return b
}

// stepped gives the right scales in steps, with the gain: the one place where
// writer and reader compute what the coder is told. Both must get the same bits,
// so there is one operation in float32 after the other and never a sum.
func stepped(right []float32, gain byte, step float64) []float32 {
	factor := float32(float64(store.Gain(gain)) / step)
	out := make([]float32, len(right))
	for j, r := range right {
		out[j] = r * factor
	}
	return out
}

func round(c, f float64) int32 { return int32(math.Copysign(math.Floor(math.Abs(c)+f), c)) }

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
