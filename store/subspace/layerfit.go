package subspace

import (
	"context"
	"fmt"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// layerFit fits one layer after the other of all sources. Its memory is that of
// the largest layer, and of as many sources' copies of it as it may hold.
type layerFit struct {
	copies
	weighing *weighing // of the deltas in the moments; nil for none
	mean     []float32 // (m,width) as stored
	weight   []float32 // (m,n), scratch
	sum      []float64 // (m,width)

	left, right              []float64 // upper halves of ΣZZᵀ (m,m), ΣZᵀZ (width,width)
	turned, panels, products []float32 // Zᵀ; scratch of addGram
}

// start makes ready for a layer, of which so many sources' copies are held.
func (f *layerFit) start(l store.Layer, held int) {
	f.copies.start(l, held)
	f.mean, f.weight = resized(f.mean, l.Parameters()), resized(f.weight, l.Rows()*l.Cols())
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
			return stored, nil, fmt.Errorf("the mean as %s: %w: %g", dtype, ErrNotFinite, x)
		}
	}
	join(f.mean, weight, bias, m, n)
	return stored, bias, nil
}

// eachDelta hands over every source's Z = Ŵ−M, in memory that is used again. It
// is the last pass over the layer: the copies that are held become the deltas.
func (f *layerFit) eachDelta(ctx context.Context, do func(z []float32)) error {
	return f.each(ctx, func(w []float32) {
		for i, m := range f.mean {
			w[i] -= m
		}
		do(w)
	})
}

// sumMoments sums ZZᵀ and ZᵀZ of the weighed deltas.
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
