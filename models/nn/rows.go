package nn

import "eigenserve/runtime/kernel"

// Rows are activations that linear layers and attention read. In a pass that computes
// in BF16 they are BF16, so that a row is rounded once for all products that read it
// and takes half of the memory traffic; otherwise they are float32.
type Rows struct {
	kernel.Matrix
	Count int
}

// Float32s returns x (count, width) as rows.
func Float32s(x []float32, width int) Rows {
	return Rows{Matrix: kernel.Float32s(x, width), Count: len(x) / width}
}

// from returns the rows from the given one on.
func (r Rows) from(row int) Rows {
	return Rows{Matrix: r.Matrix.From(row), Count: r.Count - row}
}

// newRows returns rows (count, width) with undefined content, in BF16 if the pass
// computes in BF16 and the caller has no need of float32.
func (p *Pass) newRows(count, width int, float32s bool) Rows {
	if p.tape != nil { // a tape reads rows without gaps
		return Float32s(p.Floats(count*width), width)
	}
	if float32s || !p.bf16 {
		stride := kernel.Float32Stride(width)
		return Rows{Matrix: kernel.Float32s(p.Floats(count*stride), stride), Count: count}
	}
	stride := kernel.BF16Stride(width)
	m := kernel.Matrix{BF16: asHalves(p.Floats((count*stride + 1) / 2))[:count*stride], Stride: stride}
	m.Pad(count, width)
	return Rows{Matrix: m, Count: count}
}

// computesBF16 reports whether a pass over groups computes in BF16: the processor has
// BF16 products, and all groups use them.
func computesBF16(groups []Group) bool {
	for _, g := range groups {
		if g.Weights.precision() != BFloat16 {
			return false
		}
	}
	return kernel.MultipliesBF16()
}
