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

// ErrNoSources marks a fit of nothing.
var ErrNoSources = errors.New("no checkpoints")

// Fit learns a basis from checkpoints. It reads one layer of all of them after
// the other, and holds that layer's mean and its two moment matrices, beside the
// basis as far as it has come. The layer's copies are read once and held where
// Options.Memory has room for all; else they are read twice over (mean, moments),
// as many at a time as there is room for, and the outcome is the same to the last
// bit. The order of the sources does not matter.
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
	tell := func(n int) {
		if done += n; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	if b.Layers, err = fitLayers(ctx, layout.Layers, sources, o, tell); err != nil {
		return nil, err
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

// fitLayers fits every layer, or takes it from what an earlier fit has kept. While
// one is computed, the next is read ahead.
func fitLayers(ctx context.Context, layers []store.Layer, sources []Source, o Options, tell func(int)) ([]store.BasisLayer, error) {
	f, out := layerFit{copies: copies{sources: sources}}, make([]store.BasisLayer, len(layers))
	if err := f.reserve(layers, o); err != nil {
		return nil, err
	}
	kept, numbers := make([]bool, len(layers)), 0
	for i, l := range layers {
		if was := o.kept(i, l); was != nil {
			out[i], kept[i] = *was, true
			numbers += l.Parameters()
		}
	}
	if numbers > 0 {
		tell(numbers)
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	for i, l := range layers {
		if kept[i] {
			continue
		}
		if i+1 < len(layers) {
			reading.Wait()
			reading.Go(func() { ahead(sources, layers[i+1]) })
		}
		layer, err := f.fit(ctx, i, l, o)
		if err == nil && o.Keep != nil {
			err = o.Keep.PutLayer(i, layer)
		}
		if err != nil {
			return nil, fmt.Errorf("fit layer %q: %w", l.Name, err)
		}
		out[i] = *layer
		tell(l.Parameters())
	}
	return out, nil
}

func (f *layerFit) fit(ctx context.Context, i int, l store.Layer, o Options) (*store.BasisLayer, error) {
	held, err := o.held(l)
	if err != nil {
		return nil, err
	}
	f.start(l, held)
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
