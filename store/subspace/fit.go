package subspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// ErrNoSources marks a fit without checkpoints.
var ErrNoSources = errors.New("no checkpoints")

// Fit learns a basis from checkpoints. It goes layer by layer, and holds the mean and the two
// moment matrices of one layer and the basis so far. If Options.Memory has room for the
// layer of all sources, Fit reads it once. Otherwise it reads it twice, for the mean and the
// moments, from as many sources at a time as there is room for. The result is the same to
// the last bit, and does not depend on the order of the sources.
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
	err := o.Metric.check(layout)
	if err != nil {
		return nil, err
	}
	if o.Metric != nil {
		b.Metric = o.Metric.Kind
	}
	for _, s := range sources {
		b.Sources = append(b.Sources, store.Source{Name: s.Name(), Digest: s.Digest()})
	}
	total, done := layout.Parameters(), 0
	report := func(n int) {
		if done += n; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	if b.Layers, err = fitLayers(ctx, layout.Layers, sources, o, report); err != nil {
		return nil, err
	}
	for i, v := range layout.Vectors {
		vector, err := fitVector(v, sources, o.Metric.vectorScale(i, v.Len()))
		if err != nil {
			return nil, fmt.Errorf("fit vector %q: %w", v.Name, err)
		}
		b.Vectors = append(b.Vectors, *vector)
		report(v.Len())
	}
	b.RMS = rms(b.Layers, len(sources))
	return b, nil
}

// inOrder returns the sources sorted by digest, so that sums do not depend on the order in
// which the caller listed them.
func inOrder(sources []Source) []Source {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Digest(), b.Digest()), cmp.Compare(a.Name(), b.Name()))
	})
	return sources
}

// rms returns the root-mean-square coefficient, the mean taken over the checkpoints' linear
// layers. All layers count the same, whatever their size, and a stack of three counts as
// three. If all directions are kept, the mean square of the coefficients is that of the
// weighted deltas.
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

// fitLayers fits every layer, or takes it from the cache. While it computes one, it prefetches
// the next.
func fitLayers(ctx context.Context, layers []store.Layer, sources []Source, o Options, report func(int)) ([]store.BasisLayer, error) {
	f, out := layerFit{layerReader: layerReader{sources: sources}}, make([]store.BasisLayer, len(layers))
	if err := f.reserve(layers, o); err != nil {
		return nil, err
	}
	cached, parameters := make([]bool, len(layers)), 0
	for i, l := range layers {
		if layer := o.cached(i, l); layer != nil {
			out[i], cached[i] = *layer, true
			parameters += l.Parameters()
		}
	}
	if parameters > 0 {
		report(parameters)
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	for i, l := range layers {
		if cached[i] {
			continue
		}
		if i+1 < len(layers) {
			reading.Wait()
			reading.Go(func() { prefetch(sources, layers[i+1]) })
		}
		layer, err := f.fit(ctx, i, l, o)
		if err == nil && o.Cache != nil {
			err = o.Cache.PutLayer(i, layer)
		}
		if err != nil {
			return nil, fmt.Errorf("fit layer %q: %w", l.Name, err)
		}
		out[i] = *layer
		report(l.Parameters())
	}
	return out, nil
}

// fit computes the basis of the i-th layer.
func (f *layerFit) fit(ctx context.Context, i int, l store.Layer, o Options) (*store.BasisLayer, error) {
	group, err := o.groupSize(l)
	if err != nil {
		return nil, err
	}
	f.start(l, group)
	mean, bias, err := f.fitMean(ctx, o.MeanType)
	if err != nil {
		return nil, err
	}
	if f.weighting, err = o.Metric.weighting(i, l); err != nil {
		return nil, err
	}
	if err := f.sumMoments(ctx); err != nil {
		return nil, err
	}
	energy := trace(f.left, l.Rows())
	p, q := capped(l.Rows(), o.Rank), capped(l.Width(), o.Rank)
	f.shrinkMoments(p, q)
	u, lambda, err := leading(f.left, l.Rows(), p)
	if err != nil {
		return nil, err
	}
	v, mu, err := leading(f.right, l.Width(), q)
	if err != nil {
		return nil, err
	}
	out := &store.BasisLayer{Layer: l, Mean: mean, Bias: bias, Spectrum: store.Spectrum{Left: lambda, Right: mu, Energy: energy}}
	f.weighting.absorb(u, v, p, q)
	setDirections(out, u, v, p, q)
	out.LeftScale, out.RightScale = scales(lambda, mu, energy, len(f.sources))
	return out, nil
}

// capped returns the number of directions of a side of n dimensions.
func capped(n, rank int) int {
	if rank > 0 && rank < n {
		return rank
	}
	return n
}

// setDirections stores u as L (m,p), and the transpose of v (width,q) as R.
func setDirections(l *store.BasisLayer, u, v []float32, p, q int) {
	m, width := l.Rows(), l.Width()
	l.Left = tensorfile.FromFloat32("BF16", []int{m, p}, u)
	l.Right = tensorfile.FromFloat32("BF16", []int{q, width}, transpose(v, width, q))
}

// fitVector computes the mean of a vector.
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
