package subspace

import (
	"context"
	"fmt"

	"eigenserve/store"

	"gonum.org/v1/gonum/mat"
)

// Randomise is the null of a basis: the same means and as many directions, but
// random orthonormal ones, with scales learned anew from the sources and without
// a metric. What it keeps of an answer at the same bytes, the learned directions
// and the metric did not earn. Its means are views of b's, and it has no digest:
// its variants are not to be stored.
func Randomise(ctx context.Context, b *store.Basis, sources []Source, seed uint64) (*store.Basis, error) {
	out := &store.Basis{Family: b.Family, Config: b.Config, Preprocessor: b.Preprocessor,
		Rank: b.Rank, Metric: MetricNone, Sources: b.Sources, Created: b.Created}
	f := layerFit{copies: copies{sources: inOrder(sources)}}
	for i := range b.Layers {
		l := b.Layers[i]
		p, q := l.Directions()
		setDirections(&l, randomDirections(l.Rows(), p, seed+uint64(2*i)), randomDirections(l.Width(), q, seed+uint64(2*i+1)), p, q)
		if err := f.rescale(ctx, &l); err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Name, err)
		}
		out.Layers = append(out.Layers, l)
	}
	for _, v := range b.Vectors {
		v.Scale = ones(v.Len())
		out.Vectors = append(out.Vectors, v)
	}
	out.RMS = rms(out.Layers, len(sources))
	return out, nil
}

// rescale sets a layer's scales by the energy that the sources have in each of
// its directions.
func (f *layerFit) rescale(ctx context.Context, l *store.BasisLayer) error {
	f.start(l.Layer, 1)
	mean, err := meanOf(l)
	if err != nil {
		return err
	}
	f.mean = mean
	project, err := newLayerProjector(l)
	if err != nil {
		return err
	}
	p, q := l.Directions()
	c, lambda, mu, kept := make([]float32, q*p), make([]float64, p), make([]float64, q), 0.0
	l.Spectrum = store.Spectrum{Left: lambda, Right: mu}
	err = f.eachDelta(ctx, func(z []float32) {
		l.Spectrum.Energy += energy(z)
		project.project(c, z)
		for j := range mu {
			for i := range lambda {
				e := float64(c[j*p+i]) * float64(c[j*p+i])
				lambda[i], mu[j], kept = lambda[i]+e, mu[j]+e, kept+e
			}
		}
	})
	l.LeftScale, l.RightScale = scales(lambda, mu, kept, len(f.sources))
	return err
}

// randomDirections gives k orthonormal columns (n,k), uniformly distributed.
func randomDirections(n, k int, seed uint64) []float32 {
	a := mat.NewDense(n, k, gaussian(n*k, seed))
	orthonormalise(a)
	out := make([]float32, n*k)
	for i, x := range a.RawMatrix().Data {
		out[i] = float32(x)
	}
	return out
}
