package subspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// ErrNoSources marks a fit of nothing.
var ErrNoSources = errors.New("no checkpoints")

// Fit learns a basis from checkpoints. It reads one layer of one of them at a
// time, twice over (mean, moments), so it holds that layer, its mean and its two
// moment matrices, however many checkpoints there are. The order of the sources
// does not matter.
func Fit(ctx context.Context, family string, layout store.Layout, sources []Source, o Options) (*store.Basis, error) {
	if len(sources) == 0 {
		return nil, ErrNoSources
	}
	sources = inOrder(sources)
	o.MeanType = cmp.Or(o.MeanType, "BF16")
	if err := o.check(); err != nil {
		return nil, err
	}
	b := &store.Basis{Family: family, Config: o.Config, Preprocessor: o.Preprocessor,
		Rank: o.Rank, Metric: "none", Created: o.Created}
	for _, s := range sources {
		b.Sources = append(b.Sources, store.Source{Name: s.Name(), Digest: s.Digest()})
	}
	total, done := layout.Parameters(), 0
	tell := func(n int) {
		if done += n; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	for _, l := range layout.Layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		layer, err := fitLayer(ctx, l, sources, o)
		if err != nil {
			return nil, fmt.Errorf("fit layer %q: %w", l.Name, err)
		}
		b.Layers = append(b.Layers, *layer)
		tell(l.Parameters())
	}
	for _, v := range layout.Vectors {
		vector, err := fitVector(v, sources)
		if err != nil {
			return nil, fmt.Errorf("fit vector %q: %w", v.Name, err)
		}
		b.Vectors = append(b.Vectors, *vector)
		tell(v.Len())
	}
	b.RMS = rms(b.Layers, len(sources))
	return b, nil
}

// inOrder sorts the sources by digest, so that sums run in the same order
// whatever order the caller named them in.
func inOrder(sources []Source) []Source {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Digest(), b.Digest()), cmp.Compare(a.Name(), b.Name()))
	})
	return sources
}

// rms is the root-mean-square coefficient. The mean is taken over the
// checkpoints' linear layers, each counting the same whatever its size; a layer
// stacked of three counts three times. With all directions kept, a coefficient's
// mean square is the delta's.
func rms(layers []store.BasisLayer, sources int) float64 {
	sum, count := 0.0, 0.0
	for i := range layers {
		l := &layers[i]
		parts := float64(len(l.Parts))
		sum += parts * l.Spectrum.Energy / float64(l.Parameters()*sources)
		count += parts
	}
	if count == 0 {
		return 0
	}
	return math.Sqrt(sum / count)
}

func fitLayer(ctx context.Context, l store.Layer, sources []Source, o Options) (*store.BasisLayer, error) {
	f := newLayerFit(l, sources)
	mean, bias, err := f.fitMean(ctx, o.MeanType)
	if err != nil {
		return nil, err
	}
	out := &store.BasisLayer{Layer: l, Mean: mean, Bias: bias}
	left, right, err := f.moments(ctx)
	if err != nil {
		return nil, err
	}
	p, q := capped(l.Rows(), o.Rank), capped(l.Width(), o.Rank)
	u, lambda, err := leading(left, l.Rows(), p)
	if err != nil {
		return nil, err
	}
	v, mu, err := leading(right, l.Width(), q)
	if err != nil {
		return nil, err
	}
	out.Spectrum = store.Spectrum{Left: lambda, Right: mu, Energy: trace(left, l.Rows())}
	setDirections(out, u, v, p, q)
	out.LeftScale, out.RightScale = scales(lambda, mu, out.Spectrum.Energy, len(sources))
	return out, nil
}

func capped(n, rank int) int {
	if rank > 0 && rank < n {
		return rank
	}
	return n
}

// setDirections stores U (m,p) as L and V (width,q) transposed as R: with the
// identity for a metric nothing else is to be absorbed.
func setDirections(l *store.BasisLayer, u, v []float32, p, q int) {
	m, width := l.Rows(), l.Width()
	vt := make([]float32, q*width)
	for r := range width {
		for k := range q {
			vt[k*width+r] = v[r*q+k]
		}
	}
	l.Left = tensorfile.FromFloat32("BF16", []int{m, p}, u)
	l.Right = tensorfile.FromFloat32("BF16", []int{q, width}, vt)
}

// layerFit streams one layer of all sources.
type layerFit struct {
	store.Layer
	sources       []Source
	w, mean, part []float32 // (m,width), (m,width) as stored, scratch
}

func newLayerFit(l store.Layer, sources []Source) *layerFit {
	n := l.Parameters()
	return &layerFit{Layer: l, sources: sources, w: make([]float32, n), mean: make([]float32, n), part: make([]float32, layerScratch(l))}
}

// fitMean averages the layer and keeps the mean as it is stored: what is
// subtracted here is what a rebuild adds.
func (f *layerFit) fitMean(ctx context.Context, dtype string) (tensorfile.Tensor, []float32, error) {
	sum := make([]float64, len(f.w))
	for _, s := range f.sources {
		if err := ctx.Err(); err != nil {
			return tensorfile.Tensor{}, nil, err
		}
		if err := readLayer(s, f.Layer, f.w, f.part); err != nil {
			return tensorfile.Tensor{}, nil, err
		}
		for i, x := range f.w {
			sum[i] += float64(x)
		}
	}
	for i, x := range sum {
		f.mean[i] = float32(x / float64(len(f.sources)))
	}
	m, n := f.Rows(), f.Cols()
	weight, bias := make([]float32, m*n), []float32(nil)
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

// moments sums ZZᵀ (m,m) and ZᵀZ (width,width): each source's product in
// float32, the sum over sources in float64.
func (f *layerFit) moments(ctx context.Context) (left, right []float64, err error) {
	m, width := f.Rows(), f.Width()
	left, right = make([]float64, m*m), make([]float64, width*width)
	scratch := make([]float32, max(m*m, width*width))
	err = f.eachDelta(ctx, func(z []float32) {
		kernel.Gemm(false, true, m, m, width, z, width, z, width, scratch, m, false)
		addTo(left, scratch)
		kernel.Gemm(true, false, width, width, m, z, width, z, width, scratch, width, false)
		addTo(right, scratch)
	})
	return left, right, err
}

func addTo(sum []float64, x []float32) {
	for i := range sum {
		sum[i] += float64(x[i])
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

func fitVector(v store.Vector, sources []Source) (*store.BasisVector, error) {
	x, sum := make([]float32, v.Len()), make([]float64, v.Len())
	for _, s := range sources {
		if err := read(s, v.Name, x); err != nil {
			return nil, err
		}
		for i := range x {
			sum[i] += float64(x[i])
		}
	}
	out := &store.BasisVector{Vector: v, Mean: make([]float32, v.Len()), Scale: make([]float32, v.Len())}
	for i := range sum {
		out.Mean[i] = float32(sum[i] / float64(len(sources)))
		out.Scale[i] = 1
	}
	return out, nil
}
