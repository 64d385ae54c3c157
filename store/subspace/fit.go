package subspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

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
		Rank: o.Rank, Metric: MetricNone, Created: o.Created}
	if err := o.Metric.check(layout); err != nil {
		return nil, err
	}
	if o.Metric != nil {
		b.Metric = o.Metric.Kind
	}
	for _, s := range sources {
		b.Sources = append(b.Sources, store.Source{Name: s.Name(), Digest: s.Digest()})
	}
	total, done := layout.Parameters(), 0
	tell := func(n int) {
		if done += n; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	f := layerFit{sources: sources}
	for i, l := range layout.Layers {
		layer, err := f.fit(ctx, i, l, o)
		if err != nil {
			return nil, fmt.Errorf("fit layer %q: %w", l.Name, err)
		}
		b.Layers = append(b.Layers, *layer)
		tell(l.Parameters())
	}
	for i, v := range layout.Vectors {
		vector, err := fitVector(v, sources, o.Metric.vectorScale(i, v.Len()))
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
// mean square is the weighed delta's.
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

func (f *layerFit) fit(ctx context.Context, i int, l store.Layer, o Options) (*store.BasisLayer, error) {
	f.start(l)
	mean, bias, err := f.fitMean(ctx, o.MeanType)
	if err != nil {
		return nil, err
	}
	if f.weighing, err = o.Metric.weighing(i, l); err != nil {
		return nil, err
	}
	if err := f.sumMoments(ctx); err != nil {
		return nil, err
	}
	energy := trace(f.left, l.Rows())
	p, q := capped(l.Rows(), o.Rank), capped(l.Width(), o.Rank)
	u, lambda, err := leading(f.left, l.Rows(), p)
	if err != nil {
		return nil, err
	}
	v, mu, err := leading(f.right, l.Width(), q)
	if err != nil {
		return nil, err
	}
	out := &store.BasisLayer{Layer: l, Mean: mean, Bias: bias, Spectrum: store.Spectrum{Left: lambda, Right: mu, Energy: energy}}
	f.weighing.absorb(u, v, p, q)
	setDirections(out, u, v, p, q)
	out.LeftScale, out.RightScale = scales(lambda, mu, energy, len(f.sources))
	return out, nil
}

func capped(n, rank int) int {
	if rank > 0 && rank < n {
		return rank
	}
	return n
}

// setDirections stores L (m,p), and Rᵀ (width,q) as R.
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

func fitVector(v store.Vector, sources []Source, scale []float32) (*store.BasisVector, error) {
	x, sum := make([]float32, v.Len()), make([]float64, v.Len())
	for _, s := range sources {
		if err := read(s, v.Name, x); err != nil {
			return nil, err
		}
		for i := range x {
			sum[i] += float64(x[i])
		}
	}
	out := &store.BasisVector{Vector: v, Mean: make([]float32, v.Len()), Scale: scale}
	for i := range sum {
		out.Mean[i] = float32(sum[i] / float64(len(sources)))
	}
	return out, nil
}
