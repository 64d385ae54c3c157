package runtime

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// FitOptions of a fit.
type FitOptions struct {
	Rank      int     // most directions a side, 0: all
	Step      float64 // as Engine.Add has it
	MeanType  string  // of the stored means: "BF16" (default) or "F16"
	Metric    string  // subspace.MetricFull (default), MetricInput or MetricNone
	Probes    *Probes // what the metric is measured on; nil for built-in images
	Progress  func(stage string, done, total int)
	OnVariant func(VariantInfo)
	// OnClusters, if set, is told before the work begins when the checkpoints are
	// of several lineages, or so far apart that several bases would serve better.
	OnClusters func([]Cluster)
}

// Fit learns a family's basis from checkpoints, makes it the family's current
// one in the store, and stores each checkpoint as a variant under its name.
// Nothing of the store changes before the basis is whole.
func Fit(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) error {
	if err := o.complete(); err != nil {
		return err
	}
	// What PutBasis and PutVariant would refuse is refused before the work.
	if err := store.CheckName(name); err != nil {
		return fmt.Errorf("family %w", err)
	}
	if err := distinct(checkpoints); err != nil {
		return err
	}
	b, err := learn(ctx, name, checkpoints, o)
	if err != nil {
		return err
	}
	if _, err := s.PutBasis(b); err != nil {
		return err
	}
	return storeVariants(ctx, s, name, checkpoints, o)
}

// complete sets the defaults.
func (o *FitOptions) complete() error {
	o.Metric = cmp.Or(o.Metric, subspace.MetricFull)
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	switch o.Metric {
	case subspace.MetricFull, subspace.MetricInput, subspace.MetricNone:
		return nil
	}
	return fmt.Errorf("%w: a metric called %q", subspace.ErrOptions, o.Metric)
}

// distinct refuses names that can't be a variant's, and names that stand twice.
func distinct(checkpoints []*checkpoint.Checkpoint) error {
	seen := map[string]bool{}
	for _, c := range checkpoints {
		if err := store.CheckName(c.Name); err != nil {
			return fmt.Errorf("checkpoint %w; rename its folder", err)
		}
		if seen[c.Name] {
			return fmt.Errorf("two checkpoints are called %q: a variant is named by its folder", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func learn(ctx context.Context, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) (*store.Basis, error) {
	if len(checkpoints) == 0 {
		return nil, subspace.ErrNoSources
	}
	first, err := openModel(checkpoints[0])
	if err != nil {
		return nil, err
	}
	var sources []source
	var sketches []subspace.Sketch
	for i, c := range checkpoints {
		if digest := c.Rebuilt(); digest != "" {
			return nil, fmt.Errorf("checkpoint %q was rebuilt from variant %.12s by `eigenserve export`: a basis is learned from originals only", c.Name, digest)
		}
		m, err := openModel(c)
		if err != nil {
			return nil, err
		}
		if m.Architecture() != first.Architecture() {
			return nil, fmt.Errorf("checkpoints %q and %q are different architectures: %s and %s; fit a family of each",
				checkpoints[0].Name, c.Name, first.Architecture(), m.Architecture())
		}
		src, err := openSource(c, first.Plan())
		if err != nil {
			return nil, err
		}
		sketch, err := subspace.SketchOf(src, layoutOf(first.Plan()))
		if err != nil {
			return nil, err
		}
		sources, sketches = append(sources, src), append(sketches, sketch)
		o.Progress("check", i+1, len(checkpoints))
	}
	if clusters := clustersOf(checkpoints, sketches); len(clusters) > 1 && o.OnClusters != nil {
		o.OnClusters(clusters)
	}
	config, err := familyConfig(checkpoints[0].Config)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: config: %w", checkpoints[0].Name, err)
	}
	var metric *subspace.Metric
	if o.Metric != subspace.MetricNone {
		tell := func(done, total int) { o.Progress("measure", done, total) }
		if metric, err = metricOf(ctx, o.Metric, first, sources, o.Probes, tell); err != nil {
			return nil, err
		}
	}
	fitted := make([]subspace.Source, len(sources))
	for i, s := range sources {
		fitted[i] = s
	}
	b, err := subspace.Fit(ctx, name, layoutOf(first.Plan()), fitted, subspace.Options{
		Rank: o.Rank, MeanType: o.MeanType, Metric: metric, Config: config, Preprocessor: checkpoints[0].Preprocessor,
		Created:  time.Now().UTC().Truncate(time.Second),
		Progress: func(done, total int) { o.Progress("fit", done, total) },
	})
	if err == nil {
		b.Lineage = lineageOf(sketches)
	}
	return b, err
}

// storeVariants adds every checkpoint to the family just fitted.
func storeVariants(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) error {
	eng, err := Open(s, Options{})
	if err != nil {
		return err
	}
	defer eng.Close()
	for i, c := range checkpoints {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, _, err := eng.Add(ctx, name, c.Name, c, o.Step)
		if err != nil {
			return err
		}
		if o.OnVariant != nil {
			o.OnVariant(info)
		}
		o.Progress("store", i+1, len(checkpoints))
	}
	return nil
}
