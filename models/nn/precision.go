package nn

import (
	"unsafe"

	"eigenserve/runtime/kernel"
)

// Precision is what the weights of the shared layers are kept in and multiplied
// as. Biases, vectors, heads and what a residual adds up to are float32 in any.
type Precision uint8

const (
	Float32  Precision = iota
	BFloat16           // weights, a layer's inputs and attention's factors in BF16, sums in float32
)

var precisions = [...]string{Float32: "f32", BFloat16: "bf16"}

// String is the name of the precision on a command line.
func (p Precision) String() string { return precisions[p] }

// In is the plan with its slabs in a precision. What it declares is the same.
func (p *Plan) In(precision Precision) *Plan {
	other := *p
	other.precision = precision
	return &other
}

// Precision is what the plan's slabs are in.
func (p *Plan) Precision() Precision { return p.precision }

// precision is what the shared layers are multiplied in.
func (w *Weights) precision() Precision {
	switch {
	case w.Factored != nil:
		return w.Factored.Precision
	case len(w.Layers) > 0 && w.Layers[0].BF16.Panels != nil:
		return BFloat16
	}
	return Float32
}

// packedLen is the number of float32s of a slab that a packed layer takes.
func (p *Plan) packedLen(l Layer) int {
	if p.precision == BFloat16 {
		return kernel.PackedLenBF16(l.Rows(), l.Cols()) / 2
	}
	return kernel.PackedLen(l.Rows(), l.Cols())
}

// set takes a layer's piece of a slab.
func (d *Dense) set(precision Precision, n, k int, piece []float32) {
	if precision == BFloat16 {
		d.BF16 = kernel.WeightsBF16{N: n, K: k, Panels: halves(piece)}
		return
	}
	d.F32 = kernel.Weights{N: n, K: k, Panels: piece}
}

// Pack writes weights (outputs, inputs) in the layer's order.
func (d *Dense) Pack(weights []float32) {
	if d.BF16.Panels != nil {
		kernel.PackBF16(d.BF16.Panels, weights, d.BF16.K, d.BF16.N, d.BF16.K)
		return
	}
	kernel.Pack(d.F32.Panels, weights, d.F32.K, d.F32.N, d.F32.K)
}

// Unpack reads the weights back as (outputs, inputs).
func (d *Dense) Unpack(weights []float32) {
	if d.BF16.Panels != nil {
		kernel.UnpackBF16(weights, d.BF16.K, d.BF16)
		return
	}
	kernel.Unpack(weights, d.F32.K, d.F32.Panels, d.F32.N, d.F32.K)
}

// Rebuild fills the layer from a basis and a variant's core. scratch is as long
// as kernel.RebuildScratch says.
func (d *Dense) Rebuild(l *kernel.Layer, c *kernel.Core, scratch []float32) {
	kernel.Rebuild([]kernel.Target{d.target(c)}, l, scratch)
}

// RebuildSeveral fills the same layer of several variants, all in one precision,
// reading the basis once. scratch is as long as kernel.RebuildScratch says.
func RebuildSeveral(to []*Dense, l *kernel.Layer, cores []*kernel.Core, scratch []float32) {
	targets := make([]kernel.Target, len(to))
	for i, d := range to {
		targets[i] = d.target(cores[i])
	}
	kernel.Rebuild(targets, l, scratch)
}

func (d *Dense) target(c *kernel.Core) kernel.Target {
	return kernel.Target{F32: d.F32.Panels, BF16: d.BF16.Panels, Bias: d.Bias, Core: c}
}

// multiply is the layer's product with its epilogue.
func (d *Dense) multiply(y, x kernel.Matrix, rows int, e kernel.Epilogue) {
	e.Bias = d.Bias
	if d.BF16.Panels != nil {
		kernel.MatMulBF16(y, x, rows, d.BF16, e)
		return
	}
	kernel.MatMul(y.F32, y.Stride, x.F32, x.Stride, rows, d.F32, e)
}

// halves views a piece of a slab as 16-bit numbers. A slab is one array, so that
// any mix of both lies in it; a float32's alignment is enough for a uint16.
func halves(piece []float32) []uint16 {
	if len(piece) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&piece[0])), 2*len(piece))
}
