package family

import (
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// kernelLayer returns the sizes and types of a layer, without its matrices.
func kernelLayer(b *store.BasisLayer) kernel.Layer {
	p, q := b.Directions()
	l := kernel.Layer{M: b.Rows(), N: b.Cols(), P: p, Q: q, Bias: b.Layer.Bias, MeanType: kernel.BF16}
	if b.Mean.DType == "F16" {
		l.MeanType = kernel.F16
	}
	return l
}

// packLayer fills the matrices of l, which have the right lengths.
func packLayer(l *kernel.Layer, b *store.BasisLayer) error {
	if err := packHalves(l.Mean, b.Mean, l.M, l.N, l.MeanType); err != nil {
		return err
	}
	if err := packHalves(l.Left, b.Left, l.M, l.P, kernel.BF16); err != nil {
		return err
	}
	right := make([]float32, b.Right.Len()) // (q, width); the kernel reads (width, q)
	if err := b.Right.Float32(right); err != nil {
		return err
	}
	transposed := make([]float32, len(right))
	kernel.Transpose(transposed, right, l.Q, b.Width())
	kernel.ToFloat16(l.Right, transposed, kernel.BF16)
	return nil
}

// packHalves packs a 16-bit (n, k) tensor into panels of the same type. No value
// changes.
func packHalves(dst []uint16, t tensorfile.Tensor, n, k int, h kernel.Format) error {
	w, panels := make([]float32, t.Len()), make([]float32, len(dst))
	if err := t.Float32(w); err != nil {
		return err
	}
	kernel.Pack(panels, w, k, n, k)
	kernel.ToFloat16(dst, panels, h)
	return nil
}
