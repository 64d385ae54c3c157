package subspace

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"eigenserve/store"
	"eigenserve/store/rans"
)

// ErrStep marks a quantisation step that cannot be used.
var ErrStep = errors.New("bad quantisation step")

// Quantise quantises and codes coefficients with a step in units of the family's
// root-mean-square coefficient. It sets v.Basis, Family, Step, Gains, Coefficients and the
// parts of Fidelity that follow from them.
func (p *Projector) Quantise(v *store.Variant, c *Coefficients, step float64) error {
	absolute := step * unit(p.basis)
	if err := checkStep(c, step, absolute); err != nil {
		return err
	}
	return p.finish(v, c, p.blocks(c, absolute), step, absolute)
}

// finish codes quantised blocks and sets the fields of v that Quantise sets. step is in units
// of the root-mean-square coefficient, absolute is the same step Δ.
func (p *Projector) finish(v *store.Variant, c *Coefficients, blocks []block, step, absolute float64) error {
	v.Basis, v.Family, v.Step = p.basis.Digest, p.basis.Family, absolute
	if err := encode(v, blocks); err != nil {
		return err
	}
	v.Fidelity.Step = step
	v.Fidelity.Bytes.Coefficients = int64(len(v.Coefficients) + len(v.Gains))
	return p.measure(&v.Fidelity, c, blocks, v.Step)
}

// checkStep returns an error for a step that is not a float32 or that makes an integer too
// large for the coder.
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

// block is one tensor's coefficients while they are quantised. Its Left and Right scales are
// those for rounding.
//
// A tensor has two gains. The rounding gain is the mean ratio of the coefficients' magnitudes
// to the prediction of the basis. It determines the offset f, which keeps the mean magnitude.
// The coding gain is the one that is stored: with it the integers take the fewest bits. They
// differ because the first gives the many coefficients with tiny predictions the same weight
// as the few that make up most of the code.
type block struct {
	rans.Block
	roundingGain byte
	predicted    []float32 // right scales without a gain
}

// encode sets a variant's gains and coefficients.
func encode(v *store.Variant, blocks []block) error {
	plain := make([]rans.Block, len(blocks))
	v.Gains = make([]byte, len(blocks))
	for i := range blocks {
		plain[i], v.Gains[i] = blocks[i].coded(v.Step)
	}
	var err error
	v.Coefficients, err = rans.Encode(plain)
	return err
}

// EncodeIntegers codes integer coefficients in steps of v.Step: those of each layer (q,p), and
// of each vector. It sets v.Basis, Family, Gains and Coefficients.
func EncodeIntegers(v *store.Variant, b *store.Basis, layers, vectors [][]int32) error {
	v.Basis, v.Family = b.Digest, b.Family
	var blocks []block
	for i, q := range slices.Concat(layers, vectors) {
		blocks = append(blocks, blockOf(b, i, q, v.Step))
	}
	return encode(v, blocks)
}

// blockOf returns the block of tensor i with given integers.
func blockOf(b *store.Basis, i int, q []int32, step float64) block {
	left, right := predictedScales(b, i)
	out := newBlock(dequantised(q, step), left, right, step)
	out.Q = q
	return out
}

// blocks quantises every tensor. Layers are rounded with the offset that keeps their mean
// magnitude. Vectors are rounded to nearest: nothing predicts their single elements, so the
// other offset would round up most of their noise.
func (p *Projector) blocks(c *Coefficients, step float64) []block {
	var out []block
	for i, x := range c.tensors() {
		left, right := predictedScales(p.basis, i)
		f := offset
		if i >= len(p.basis.Layers) {
			f = nearestOffset
		}
		out = append(out, quantise(x, left, right, step, f))
	}
	return out
}

// tensors returns the coefficients of the layers, then those of the vectors.
func (c *Coefficients) tensors() [][]float32 { return slices.Concat(c.Layers, c.Vectors) }

// predictedScales returns the scales of tensor i without a gain. Layers come before vectors.
// All elements of a vector have the same scale.
func predictedScales(b *store.Basis, i int) (left, right []float32) {
	if i < len(b.Layers) {
		return b.Layers[i].LeftScale, b.Layers[i].RightScale
	}
	return ones(b.Vectors[i-len(b.Layers)].Len()), []float32{float32(unit(b))}
}

// unit returns the unit of steps, the family's root-mean-square coefficient, which is also the
// scale of a vector's elements without a gain. In a family with one member or with equal
// members it is 0, and any other number will do.
func unit(b *store.Basis) float64 {
	if b.RMS == 0 {
		return 1
	}
	return b.RMS
}

// newBlock returns a block for coefficients c, in the units of step, with the rounding gain and
// the scales for rounding. Its integers are not set.
func newBlock(c, left, right []float32, step float64) block {
	gain := 0.0
	for j, r := range right {
		for i, l := range left {
			gain += math.Abs(float64(c[j*len(left)+i])) / (float64(l) * float64(r))
		}
	}
	b := block{roundingGain: store.GainByte(gain / float64(len(c))), predicted: right}
	b.Left, b.Right = left, inSteps(right, b.roundingGain, step)
	return b
}

// octave is the number of gain bytes by which a gain doubles.
const octave = 8

// coded returns the block with its scales for coding, and the coding gain.
func (b block) coded(step float64) (rans.Block, byte) {
	if b.roundingGain == 0 {
		return b.Block, 0
	}
	var t rans.Histogram
	for j, r := range b.Right {
		for i, l := range b.Left {
			t.Add(r*l, b.Q[j*len(b.Left)+i])
		}
	}
	gain, fewest := b.roundingGain, t.Bits(0)
	try := func(g int) {
		if g < 1 || g > 255 {
			return
		}
		if bits := t.Bits(g - int(b.roundingGain)); bits < fewest {
			gain, fewest = byte(g), bits
		}
	}
	for g := octave; g <= 255; g += octave {
		try(g)
	}
	for coarse, d := int(gain), 1; d < octave; d++ {
		try(coarse - d)
		try(coarse + d)
	}
	b.Block.Right = inSteps(b.predicted, gain, step)
	return b.Block, gain
}

// quantise returns the block of the integers sgn c·⌊|c|/step + f⌋, where f depends on the
// predicted scale of c in steps.
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

// inSteps returns right scales times a gain, in steps. Both the encoder and the decoder compute
// their scales here and must get the same bits, so there are only single float32 operations
// and no sum.
func inSteps(right []float32, gain byte, step float64) []float32 {
	factor := float32(float64(store.Gain(gain)) / step)
	out := make([]float32, len(right))
	for j, r := range right {
		out[j] = r * factor
	}
	return out
}

// round returns sgn c·⌊|c| + f⌋.
func round(c, f float64) int32 { return int32(math.Copysign(math.Floor(math.Abs(c)+f), c)) }

// ones returns n ones.
func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
