package subspace

import (
	"context"
	"fmt"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// layerFit streams one layer after the other of all sources. Its memory is that
// of the largest layer, whatever the number of sources.
type layerFit struct {
	store.Layer
	sources       []Source
	weighing      *weighing // of the deltas in the moments; nil for none
	w, mean, part []float32 // (m,width), (m,width) as stored, scratch
	sum           []float64 // (m,width)

	left, right              []float64 // ΣZZᵀ (m,m), ΣZᵀZ (width,width)
	turned, panels, products []float32 // Zᵀ; scratch of addGram
}

// start makes ready for a layer.
func (f *layerFit) start(l store.Layer) {
	n := l.Parameters()
	f.Layer = l
	f.w, f.mean, f.part = resized(f.w, n), resized(f.mean, n), resized(f.part, layerScratch(l))
}

// resized gives a slice of n numbers of any value, the old one's if they fit.
func resized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}

// fitMean averages the layer and keeps the mean as it is stored: what is
// subtracted here is what a rebuild adds.
func (f *layerFit) fitMean(ctx context.Context, dtype string) (tensorfile.Tensor, []float32, error) {
	f.sum = resized(f.sum, len(f.w))
	clear(f.sum)
	for _, s := range f.sources {
		if err := ctx.Err(); err != nil {
			return tensorfile.Tensor{}, nil, err
		}
		if err := readLayer(s, f.Layer, f.w, f.part); err != nil {
			return tensorfile.Tensor{}, nil, err
		}
		for i, x := range f.w {
			f.sum[i] += float64(x)
		}
	}
	for i, x := range f.sum {
		f.mean[i] = float32(x / float64(len(f.sources)))
	}
	m, n := f.Rows(), f.Cols()
	weight, bias := f.w[:m*n], []float32(nil)
	if f.Bias {
		bias = make([]float32, m)
	}
	split(f.mean, weight, bias, m, n)
	stored := tensorfile.FromFloat32(dtype, []int{m, n}, weight)
	if err := stored.Float32(weight); err != nil {
		return stored, nil, err
	}
	for _, x := range weight {
		if x-x != 0 {
			return stored, nil, fmt.Errorf("the mean as %s: %w: %g", dtype, ErrNotFinite, x)
		}
	}
	join(f.mean, weight, bias, m, n)
	return stored, bias, nil
}

// eachDelta reads every source and hands over its Z = Ŵ−M; the slice is reused.
func (f *layerFit) eachDelta(ctx context.Context, do func(z []float32)) error {
	for _, s := range f.sources {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readLayer(s, f.Layer, f.w, f.part); err != nil {
			return err
		}
		for i, m := range f.mean {
			f.w[i] -= m
		}
		do(f.w)
	}
	return nil
}

// sumMoments sums ZZᵀ and ZᵀZ of the weighed deltas: each source's product in float32, the sum over
// sources in float64.
func (f *layerFit) sumMoments(ctx context.Context) error {
	m, width := f.Rows(), f.Width()
	f.left, f.right = resized(f.left, m*m), resized(f.right, width*width)
	clear(f.left)
	clear(f.right)
	f.turned = resized(f.turned, m*width)
	return f.eachDelta(ctx, func(z []float32) {
		f.weighing.weigh(z, f.turned, m, width)
		f.addGram(f.left, z, m, width)
		f.addGram(f.right, f.turned, width, m)
	})
}

// addGram adds aaᵀ of an a (rows,cols) to sum (rows,rows). Gemm would do, but
// packs into new memory each time.
func (f *layerFit) addGram(sum []float64, a []float32, rows, cols int) {
	f.panels, f.products = resized(f.panels, kernel.PackedLen(rows, cols)), resized(f.products, rows*rows)
	kernel.Pack(f.panels, a, cols, rows, cols)
	kernel.MatMul(f.products, rows, a, cols, rows, kernel.Weights{N: rows, K: cols, Panels: f.panels}, kernel.Epilogue{})
	for i, x := range f.products {
		sum[i] += float64(x)
	}
}

func trace(a []float64, n int) float64 {
	t := 0.0
	for i := range n {
		t += a[i*n+i]
	}
	return t
}

// split divides Ŵ (m,n+1) into W (m,n) and b (m), or copies W where b is nil.
func split(hat, w, b []float32, m, n int) {
	width := len(hat) / m
	for r := range m {
		copy(w[r*n:(r+1)*n], hat[r*width:])
		if b != nil {
			b[r] = hat[r*width+n]
		}
	}
}

// join is the inverse of split.
func join(hat, w, b []float32, m, n int) {
	width := len(hat) / m
	for r := range m {
		copy(hat[r*width:], w[r*n:(r+1)*n])
		if b != nil {
			hat[r*width+n] = b[r]
		}
	}
}
