package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// FitOptions of a fit.
type FitOptions struct {
	Rank      int     // most directions a side, 0: all
	Gate      Gate    // what the checkpoints' variants have to pass
	MeanType  string  // of the stored means: "BF16" (default) or "F16"
	Metric    string  // subspace.MetricFull (default), MetricInput or MetricNone
	Probes    *Probes // what the metric is measured on and variants are held against; nil for built-in images
	Progress  func(stage string, done, total int)
	OnVariant func(VariantInfo)
	// OnRefused is told of each checkpoint that did not pass the gate; the others
	// are stored all the same, and Fit then ends with an error of code Refused.
	OnRefused func(name string, err error)
	// OnClusters, if set, is told before the work begins when the checkpoints are
	// of several lineages, or so far apart that several bases would serve better.
	OnClusters func([]Cluster)
	Memory     int64 // bytes that the fit may take beside the basis: 2 GiB

	work      *fitWork      // what is kept of a fit that may be cut off
	keepEvery time.Duration // measuring.every
}

// DefaultFitMemory is FitOptions.Memory where it is 0.
const DefaultFitMemory = 2 << 30

// Fit learns a family's basis from checkpoints, makes it the family's current
// one in the store, and stores each checkpoint as a variant under its name.
// Nothing of the store changes before the basis is whole. What is finished is
// kept in the store: a fit that was cut off goes on there when it is run again,
// and comes to what it would have without.
func Fit(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) error {
	if err := o.complete(); err != nil {
		return err
	}
	// What PutBasis and PutVariant would refuse is refused before the work.
	if err := s.CheckFamily(name); err != nil {
		return err
	}
	if err := distinct(checkpoints); err != nil {
		return err
	}
	for _, c := range checkpoints {
		if err := s.CheckModel(c.Name); err != nil {
			return err
		}
	}
	o.work = &fitWork{store: s}
	defer o.work.close()
	b, err := learn(ctx, name, checkpoints, o)
	if err != nil {
		return err
	}
	if _, err := s.PutBasis(b); err != nil {
		return err
	}
	if err := storeVariants(ctx, s, name, checkpoints, o); err != nil {
		return err
	}
	return o.work.done()
}

// complete sets the defaults.
func (o *FitOptions) complete() error {
	o.Metric = cmp.Or(o.Metric, subspace.MetricFull)
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	switch o.Metric {
	case subspace.MetricFull, subspace.MetricInput, subspace.MetricNone:
		return o.Gate.check()
	}
	return fmt.Errorf("%w: a metric called %q", subspace.ErrOptions, o.Metric)
}

// distinct refuses names that can't be a variant's, and names that stand twice, or
// differ by case alone: some systems would keep both in one file.
func distinct(checkpoints []*checkpoint.Checkpoint) error {
	seen := map[string]string{}
	for _, c := range checkpoints {
		if err := store.CheckName(c.Name); err != nil {
			return fmt.Errorf("checkpoint %w; rename its folder", err)
		}
		switch was, ok := seen[strings.ToLower(c.Name)]; {
		case ok && was == c.Name:
			return fmt.Errorf("two checkpoints are called %q: a variant is named by its folder", c.Name)
		case ok:
			return fmt.Errorf("checkpoints are called %q and %q, which some systems take for one name; rename a folder", was, c.Name)
		}
		seen[strings.ToLower(c.Name)] = c.Name
	}
	return nil
}

// checkRank refuses a cap that caps nothing: whoever sets one expects it to.
func checkRank(rank int, p *nn.Plan) error {
	most := 0
	for _, l := range layoutOf(p).Layers {
		most = max(most, l.Rows(), l.Width())
	}
	if rank > most {
		return fmt.Errorf("%w: rank %d, and no layer has more than %d directions a side; leave it out to keep all", subspace.ErrOptions, rank, most)
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
	if err := checkRank(o.Rank, first.Plan()); err != nil {
		return nil, err
	}
	sources, sketches, err := openSources(ctx, first, checkpoints, o)
	if err != nil {
		return nil, err
	}
	if clusters := clustersOf(checkpoints, sketches); len(clusters) > 1 && o.OnClusters != nil {
		o.OnClusters(clusters)
	}
	config, err := familyConfig(checkpoints[0].Config)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: config: %w", checkpoints[0].Name, err)
	}
	var kept *store.Probes
	if o.Probes != nil {
		if kept, err = o.Probes.keep(first.Pixels()); err != nil {
			return nil, err
		}
		o.Probes = keptProbes(kept) // what later adds will see
	}
	if o.Memory <= 0 {
		o.Memory = DefaultFitMemory
	}
	var input []float32
	if o.Metric != subspace.MetricNone {
		if input, err = o.Probes.fill(first, metricImages); err != nil {
			return nil, err
		}
	}
	if err := o.work.open(name, layoutOf(first.Plan()), sources, input, o); err != nil {
		return nil, err
	}
	created, err := o.work.created()
	if err != nil {
		return nil, err
	}
	var metric *subspace.Metric
	if o.Metric != subspace.MetricNone {
		tell := func(done, total int) { o.Progress("measure", done, total) }
		metric, err = metricOf(ctx, sources, measuring{kind: o.Metric, model: first, input: input, memory: o.Memory, work: o.work, every: o.keepEvery, tell: tell})
		if err != nil {
			return nil, err
		}
	}
	fitted := make([]subspace.Source, len(sources))
	for i, s := range sources {
		fitted[i] = s
	}
	b, err := subspace.Fit(ctx, name, layoutOf(first.Plan()), fitted, subspace.Options{
		Rank: o.Rank, MeanType: o.MeanType, Metric: metric, Config: config, Preprocessor: checkpoints[0].Preprocessor,
		Created: created, Memory: o.Memory, Keep: o.work.layers(),
		Progress: func(done, total int) { o.Progress("fit", done, total) },
	})
	if err != nil {
		return nil, err
	}
	b.Lineage = lineageOf(sketches)
	if err := fitHeads(ctx, first, sources, o.Probes, b); err != nil {
		return nil, err
	}
	b.Probes = store.BuiltInProbes
	if kept != nil {
		b.Probes, err = o.work.putProbes(kept)
	}
	return b, err
}

// openSources checks, digests and sketches the checkpoints, one a processor at a time.
func openSources(ctx context.Context, first models.Model, checkpoints []*checkpoint.Checkpoint, o FitOptions) ([]source, []subspace.Sketch, error) {
	out, sketches := make([]source, len(checkpoints)), make([]subspace.Sketch, len(checkpoints))
	var mu sync.Mutex // guards done, and orders what o is told
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(goruntime.GOMAXPROCS(0))
	for _, c := range checkpoints {
		if digest := c.Rebuilt(); digest != "" {
			return nil, nil, fmt.Errorf("checkpoint %q was rebuilt from variant %.12s by `eigenserve export`: a basis is learned from originals only", c.Name, digest)
		}
	}
	for i, c := range checkpoints {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			m, err := openModel(c)
			if err != nil {
				return err
			}
			if m.Architecture() != first.Architecture() {
				return fmt.Errorf("checkpoints %q and %q are different architectures: %s and %s; fit a family of each",
					checkpoints[0].Name, c.Name, first.Architecture(), m.Architecture())
			}
			if out[i], err = openSource(c, first.Plan()); err != nil {
				return err
			}
			if sketches[i], err = subspace.SketchOf(out[i], layoutOf(first.Plan())); err != nil {
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

// storeVariants adds every checkpoint to the family just fitted: several at once
// where their weights are small, else one after the other on all processors.
func storeVariants(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) error {
	eng, err := Open(s, Options{})
	if err != nil {
		return err
	}
	defer eng.Close()
	f, _, err := eng.current(name)
	if err != nil {
		return err
	}
	atOnce := f.atOnce()
	st := storing{eng: eng, family: name, o: o, total: len(checkpoints), workers: parallel / atOnce}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, c := range checkpoints {
		group.Go(func() error { return st.one(ctx, c) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if st.refused > 0 {
		others := "the others are stored"
		if st.refused == st.total {
			others = "the basis alone is stored"
		}
		return Errorf(Refused, "%d of %d checkpoints were refused; %s. Raise --variant-budget, or add them with --allow-lossy or --exact", st.refused, st.total, others)
	}
	return nil
}

// atOnce is how many checkpoints are tried at once: each takes a few times its
// weights.
func (f *family) atOnce() int {
	const small = 256 << 20
	return int(max(1, min(int64(parallel), small/max(1, f.slabs.bytes))))
}

// storing is what the goroutines of storeVariants share.
type storing struct {
	eng     *Engine
	family  string
	o       FitOptions
	total   int
	workers int // of each

	mu            sync.Mutex // guards what follows, and orders what o is told
	done, refused int
}

// one stores a checkpoint, unless a fit that was cut off has.
func (st *storing) one(ctx context.Context, c *checkpoint.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	demands := fmt.Sprintf("%+v", st.o.Gate)
	st.mu.Lock()
	info, ok := st.o.work.stored(st.eng, c, demands)
	st.mu.Unlock()
	var err error
	if !ok {
		info, _, err = st.eng.add(ctx, st.family, c.Name, c, st.o.Gate, st.workers)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	var known *Error
	switch {
	case errors.As(err, &known) && known.Code == Refused:
		st.refused++
		if st.o.OnRefused != nil {
			st.o.OnRefused(c.Name, err)
		}
	case err != nil:
		return err
	default:
		if !ok {
			if err := st.o.work.noteStored(c, demands); err != nil {
				return err
			}
		}
		if st.o.OnVariant != nil {
			st.o.OnVariant(info)
		}
	}
	st.done++
	st.o.Progress("store", st.done, st.total)
	return nil
}
