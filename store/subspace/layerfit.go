package subspace

import (
	"context"
	"fmt"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// layerFit fits the layers of all sources, one after the other. It reuses its memory, which
// is that of the largest layer and of the group of sources that layerReader holds.
type layerFit struct {
	layerReader
	weighting *weighting // of the deltas; nil for none
	mean      []float32  // M (m,width) as stored
	weight    []float32  // (m,n), scratch
	sum       []float64  // (m,width)

	left, right                  []float64 // upper halves of ΣZZᵀ (m,m), ΣZᵀZ (width,width)
	transposed, panels, products []float32 // Zᵀ (width,m); scratch of addGram
}

// start prepares for a layer, of which a group of sources is held at a time.
func (f *layerFit) start(l store.Layer, group int) {
	f.layerReader.start(l, group)
	f.mean, f.weight = resized(f.mean, l.Parameters()), resized(f.weight, l.Rows()*l.Cols())
}

// resized returns a slice of length n with arbitrary content, in the memory of v if it fits.
func resized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}

// fitMean computes the mean of the layer, stores it and sets f.mean to the stored value, so
// that what is subtracted from a checkpoint is what a rebuild adds. It returns the mean's
// weight and bias.
func (f *layerFit) fitMean(ctx context.Context, dtype string) (tensorfile.Tensor, []float32, error) {
	f.sum = resized(f.sum, len(f.mean))
	clear(f.sum)
	err := f.each(ctx, func(w []float32) {
		inParallel(len(w), func(from, to int) {
			sum := f.sum[from:to]
			for i, x := range w[from:to] {
				sum[i] += float64(x)
			}
		})
	})
	if err != nil {
		return tensorfile.Tensor{}, nil, err
	}
	for i, x := range f.sum {
		f.mean[i] = float32(x / float64(len(f.sources)))
	}
	m, n := f.Rows(), f.Cols()
	weight, bias := f.weight, []float32(nil)
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
			return stored, nil, fmt.Errorf("the mean in %s: %w: %g", dtype, ErrNotFinite, x)
		}
	}
	join(f.mean, weight, bias, m, n)
	return stored, bias, nil
}

// eachDelta calls do with Ŵ−M (m,width) of every source, in memory that is reused. It may be
// called once per layer: it overwrites the copies that are held.
func (f *layerFit) eachDelta(ctx context.Context, do func(z []float32)) error {
	return f.each(ctx, func(w []float32) {
		for i, m := range f.mean {
			w[i] -= m
		}
		do(w)
	})
}

// sumMoments sums ZZᵀ and ZᵀZ over the weighted deltas of all sources.
func (f *layerFit) sumMoments(ctx context.Context) error {
	m, width := f.Rows(), f.Width()
	f.left, f.right = resized(f.left, m*m), resized(f.right, width*width)
	clear(f.left)
	clear(f.right)
	f.transposed = resized(f.transposed, m*width)
	return f.eachDelta(ctx, func(z []float32) {
		f.weighting.apply(z, f.transposed, m, width)
		f.addGram(f.left, z, m, width)
		f.addGram(f.right, f.transposed, width, m)
	})
}

// trace returns the trace of a (n,n).
func trace(a []float64, n int) float64 {
	t := 0.0
	for i := range n {
		t += a[i*n+i]
	}
	return t
}

// split copies Ŵ (m,n+1) to W (m,n) and b (m), or Ŵ (m,n) to W if b is nil.
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
