package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Fit learns a basis from checkpoints, makes it the current one of the named family, and
// stores each checkpoint as a variant named after it. The catalogue of the store does not
// change before the basis is complete. An interrupted fit that is run again continues and
// comes to the same result.
func Fit(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o Options) error {
	if err := o.complete(); err != nil {
		return err
	}
	if err := checkFit(s, name, checkpoints); err != nil {
		return err
	}
	o.work = &workspace{store: s}
	defer o.work.close()
	b, err := fitBasis(ctx, name, checkpoints, o)
	if err != nil {
		return err
	}
	if _, err := s.PutBasis(b); err != nil {
		return err
	}
	if err := storeVariants(ctx, s, name, checkpoints, o); err != nil {
		return err
	}
	return o.work.remove()
}

// checkFit returns the errors of names that would otherwise come only after the work.
func checkFit(s *store.Store, name string, checkpoints []*checkpoint.Checkpoint) error {
	if err := s.CheckFamily(name); err != nil {
		return err
	}
	if err := checkNames(checkpoints); err != nil {
		return err
	}
	for _, c := range checkpoints {
		if err := s.CheckModel(c.Name); err != nil {
			return err
		}
	}
	return nil
}

// FitBasis is Fit without a store: it returns the basis and keeps nothing.
func FitBasis(ctx context.Context, name string, checkpoints []*checkpoint.Checkpoint, o Options) (*store.Basis, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	return fitBasis(ctx, name, checkpoints, o)
}

// fitBasis learns a basis. Its finished parts are kept in o.work.
func fitBasis(ctx context.Context, name string, checkpoints []*checkpoint.Checkpoint, o Options) (*store.Basis, error) {
	if len(checkpoints) == 0 {
		return nil, subspace.ErrNoSources
	}
	model, err := family.OpenModel(checkpoints[0])
	if err != nil {
		return nil, err
	}
	if err := checkRank(o.Rank, model.Plan()); err != nil {
		return nil, err
	}
	sources, sketches, err := openSources(ctx, model, checkpoints, o)
	if err != nil {
		return nil, err
	}
	if clusters := clustersOf(checkpoints, sketches); len(clusters) > 1 && o.OnClusters != nil {
		o.OnClusters(clusters)
	}
	packed, err := packProbes(model, &o)
	if err != nil {
		return nil, err
	}
	b, err := fitLayers(ctx, name, model, sources, o)
	if err != nil {
		return nil, err
	}
	b.Lineage = lineageOf(sketches)
	if err := fitHeads(ctx, model, sources, o.Probes, b); err != nil {
		return nil, err
	}
	b.Probes = store.BuiltInProbes
	if packed != nil {
		b.Probes, err = o.work.putProbes(packed)
	}
	return b, err
}

// packProbes returns the user's probes in the form that the store keeps, nil if there are
// none. It sets o.Probes to these, so that the fit uses the same images as checkpoints
// that are added later.
func packProbes(m models.Model, o *Options) (*store.Probes, error) {
	if o.Probes == nil {
		return nil, nil
	}
	packed, err := o.Probes.Pack(m.Input().Image)
	if err != nil {
		return nil, err
	}
	o.Probes = gate.Unpack(packed)
	return packed, nil
}

// fitLayers learns the mean, the directions and the scales of the shared tensors.
func fitLayers(ctx context.Context, name string, model models.Model, sources []family.Source, o Options) (*store.Basis, error) {
	layout, first := family.LayoutOf(model.Plan()), sources[0]
	config, err := familyConfig(first.Config)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: config: %w", first.Name(), err)
	}
	var input []float32
	if o.Metric != subspace.MetricNone {
		if input, err = o.Probes.Fill(model, metricImages); err != nil {
			return nil, err
		}
	}
	if err := o.work.open(name, layout, sources, input, o); err != nil {
		return nil, err
	}
	created, err := o.work.created()
	if err != nil {
		return nil, err
	}
	metric, err := measureMetric(ctx, model, sources, input, o)
	if err != nil {
		return nil, err
	}
	fitted := make([]subspace.Source, len(sources))
	for i, s := range sources {
		fitted[i] = s
	}
	return subspace.Fit(ctx, name, layout, fitted, subspace.Options{
		Rank: o.Rank, MeanType: o.MeanType, Metric: metric, Config: config, Preprocessor: first.Preprocessor,
		Created: created, Memory: o.Memory, Cache: o.work.layers(),
		Progress: func(done, total int) { o.Progress("fit", done, total) },
	})
}

// openSources checks, digests and sketches checkpoints, as many at a time as there are
// processors.
func openSources(ctx context.Context, model models.Model, checkpoints []*checkpoint.Checkpoint, o Options) ([]family.Source, []subspace.Sketch, error) {
	out, sketches := make([]family.Source, len(checkpoints)), make([]subspace.Sketch, len(checkpoints))
	var mu sync.Mutex // guards done, and is held during calls of o.Progress
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, c := range checkpoints {
		if digest := c.Rebuilt(); digest != "" {
			return nil, nil, fmt.Errorf("checkpoint %q was rebuilt from variant %.12s by `eigenserve export`: a basis is learned from originals only", c.Name, digest)
		}
	}
	for i, c := range checkpoints {
		group.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if out[i], sketches[i], err = openSource(c, checkpoints[0].Name, model); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			o.Progress("check", done, len(checkpoints))
			return nil
		})
	}
	return out, sketches, group.Wait()
}

// openSource checks, digests and sketches a checkpoint, which must have the architecture
// of the first.
func openSource(c *checkpoint.Checkpoint, firstName string, first models.Model) (s family.Source, sketch subspace.Sketch, err error) {
	m, err := family.OpenModel(c)
	if err != nil {
		return s, nil, err
	}
	if m.Architecture() != first.Architecture() {
		return s, nil, fmt.Errorf("checkpoints %q and %q are of different architectures: %s and %s; fit one family for each",
			firstName, c.Name, first.Architecture(), m.Architecture())
	}
	if s, err = family.OpenSource(c, first.Plan()); err != nil {
		return s, nil, err
	}
	sketch, err = subspace.SketchOf(s, family.LayoutOf(first.Plan()))
	return s, sketch, err
}

// familyConfig returns a checkpoint's config.json without its labels, since variants have
// their own.
func familyConfig(config []byte) ([]byte, error) {
	var c map[string]json.RawMessage
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	for key := range c {
		if key == "id2label" || key == "label2id" || key == "num_labels" || strings.HasPrefix(key, "_") {
			delete(c, key)
		}
	}
	return json.Marshal(c)
}
