package nn

import "eigenserve/runtime/kernel"

// Rows are activations that linear layers or an attention read: in BF16 where the
// pass is computed in it, so that what is rounded for every product that reads it
// is rounded once and moves half of the bytes; else float32.
type Rows struct {
	kernel.Matrix
	Count int // in all images
}

// Float32s are rows in float32, (count, width).
func Float32s(x []float32, width int) Rows {
	return Rows{Matrix: kernel.Float32s(x, width), Count: len(x) / width}
}

// from is the rows from one on.
func (r Rows) from(row int) Rows {
	return Rows{Matrix: r.Matrix.From(row), Count: r.Count - row}
}

// rows are new ones of undefined content, (count, width); wide ones are float32 in
// any pass.
func (p *Pass) rows(count, width int, wide bool) Rows {
	if p.tape != nil { // which knows no strides
		return Float32s(p.Floats(count*width), width)
	}
	if wide || !p.narrow {
		stride := kernel.Float32Stride(width)
		return Rows{Matrix: kernel.Float32s(p.Floats(count*stride), stride), Count: count}
	}
	stride := kernel.BF16Stride(width)
	m := kernel.Matrix{BF16: halves(p.Floats((count*stride + 1) / 2))[:count*stride], Stride: stride}
	m.Pad(count, width)
	return Rows{Matrix: m, Count: count}
}

// isNarrow reports whether a pass over some groups is computed in BF16.
func isNarrow(groups []Group) bool {
	for _, g := range groups {
		if g.Weights.precision() != BFloat16 {
			return false
		}
	}
	return kernel.MultipliesBF16()
}
