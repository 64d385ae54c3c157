package nn

import (
	"unsafe"

	"eigenserve/runtime/kernel"
)

// Precision is the type in which the weights of shared layers are stored and
// multiplied. Biases, vectors, heads and residual sums are always float32.
type Precision uint8

const (
	Float32  Precision = iota
	BFloat16           // weights, inputs of layers and factors of attention in BF16, sums in float32
)

var precisions = [...]string{Float32: "f32", BFloat16: "bf16"}

// String returns the name of the precision on a command line.
func (p Precision) String() string { return precisions[p] }

// In returns a plan with the same declarations and slabs in the given precision.
func (p *Plan) In(precision Precision) *Plan {
	other := *p
	other.precision = precision
	return &other
}

// Precision returns the precision of the plan's slabs.
func (p *Plan) Precision() Precision { return p.precision }

// precision returns the type in which the shared layers are multiplied.
func (w *Weights) precision() Precision {
	switch {
	case w.Factored != nil:
		return w.Factored.Precision
	case len(w.Layers) > 0 && w.Layers[0].BF16.Panels != nil:
		return BFloat16
	}
	return Float32
}

// packedLen returns the number of float32s of a slab that a packed layer takes.
func (p *Plan) packedLen(l Layer) int {
	if p.precision == BFloat16 {
		return kernel.PackedLenBF16(l.Rows(), l.Cols()) / 2
	}
	return kernel.PackedLen(l.Rows(), l.Cols())
}

// bind makes d a layer of n outputs and k inputs whose packed weights are in memory.
func (d *Dense) bind(precision Precision, n, k int, memory []float32) {
	if precision == BFloat16 {
		d.BF16 = kernel.WeightsBF16{N: n, K: k, Panels: asHalves(memory)}
		return
	}
	d.F32 = kernel.Weights{N: n, K: k, Panels: memory}
}

// Pack writes weights (outputs, inputs) into the layer's packed order.
func (d *Dense) Pack(weights []float32) {
	if d.BF16.Panels != nil {
		kernel.PackBF16(d.BF16.Panels, weights, d.BF16.K, d.BF16.N, d.BF16.K)
		return
	}
	kernel.Pack(d.F32.Panels, weights, d.F32.K, d.F32.N, d.F32.K)
}

// Unpack reads the layer's weights into weights (outputs, inputs).
func (d *Dense) Unpack(weights []float32) {
	if d.BF16.Panels != nil {
		kernel.UnpackBF16(weights, d.BF16.K, d.BF16)
		return
	}
	kernel.Unpack(weights, d.F32.K, d.F32.Panels, d.F32.N, d.F32.K)
}

// Rebuild fills the layer from a basis and a variant's core. scratch has at least
// kernel.RebuildScratch elements.
func (d *Dense) Rebuild(l *kernel.Layer, c *kernel.Core, scratch []float32) {
	kernel.Rebuild([]kernel.Target{d.target(c)}, l, scratch)
}

// RebuildSeveral fills the same layer of several variants and reads the basis once.
// All must have the same precision. scratch has at least
// kernel.RebuildScratch elements.
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

// multiply computes the layer's product and its epilogue, to which it adds the bias.
func (d *Dense) multiply(y, x kernel.Matrix, rows int, e kernel.Epilogue) {
	e.Bias = d.Bias
	if d.BF16.Panels != nil {
		kernel.MatMulBF16(y, x, rows, d.BF16, e)
		return
	}
	kernel.MatMul(y.F32, y.Stride, x.F32, x.Stride, rows, d.F32, e)
}

// asHalves returns the same memory as 16-bit numbers, twice as many. A slab is one
// array of float32s that may hold layers of either precision.
func asHalves(memory []float32) []uint16 {
	if len(memory) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&memory[0])), 2*len(memory))
}
