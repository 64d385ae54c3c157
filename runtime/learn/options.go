package learn

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Options of a fit. The zero value of each field means its default.
type Options struct {
	Rank     int          // largest number of directions a side; 0 for all
	Gate     gate.Options // what the variants of the checkpoints must pass
	MeanType string       // of the stored means: "BF16" (default) or "F16"
	Metric   string       // subspace.MetricFull (default), MetricInput or MetricNone
	// Probes are the images on which the metric is measured and variants are compared
	// with their checkpoints; nil for the built-in ones.
	Probes *gate.Probes
	// Progress, if set, is called after each part of a stage.
	Progress func(stage string, done, total int)
	// OnVariant, if set, is called for each variant that was stored.
	OnVariant func(store.Entry)
	// OnRefused, if set, is called for each checkpoint that did not pass the gate. The
	// others are stored, and Fit returns an error of code Refused.
	OnRefused func(name string, err error)
	// OnClusters, if set, is called before the fit if the checkpoints are of several
	// lineages, or so far apart that several bases would serve them better.
	OnClusters func([]Cluster)
	Memory     int64 // limit in bytes, in addition to the basis; DefaultMemory by default

	work      *workspace    // keeps finished parts; nil to keep none
	saveEvery time.Duration // see measurement.saveEvery
}

// DefaultMemory is the default of Options.Memory.
const DefaultMemory = 2 << 30

// complete sets the defaults and checks the options.
func (o *Options) complete() error {
	o.Metric = cmp.Or(o.Metric, subspace.MetricFull)
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	switch o.Metric {
	case subspace.MetricFull, subspace.MetricInput, subspace.MetricNone:
		return o.Gate.Check()
	}
	return fmt.Errorf("%w: unknown metric %q", subspace.ErrOptions, o.Metric)
}

// checkNames returns an error for names that no variant can have, and for names that are
// equal but for their case, which some file systems ignore.
func checkNames(checkpoints []*checkpoint.Checkpoint) error {
	seen := map[string]string{}
	for _, c := range checkpoints {
		if err := store.CheckName(c.Name); err != nil {
			return fmt.Errorf("checkpoint %w; rename its folder", err)
		}
		switch other, ok := seen[strings.ToLower(c.Name)]; {
		case ok && other == c.Name:
			return fmt.Errorf("two checkpoints are called %q: a variant is named after its folder", c.Name)
		case ok:
			return fmt.Errorf("checkpoints %q and %q differ only in case, which some systems ignore; rename a folder", other, c.Name)
		}
		seen[strings.ToLower(c.Name)] = c.Name
	}
	return nil
}

// checkRank returns an error for a rank above the number of directions of every layer: it
// would limit nothing.
func checkRank(rank int, p *nn.Plan) error {
	most := 0
	for _, l := range family.LayoutOf(p).Layers {
		most = max(most, l.Rows(), l.Width())
	}
	if rank > most {
		return fmt.Errorf("%w: rank %d, but no layer has more than %d directions a side; leave it out to keep all", subspace.ErrOptions, rank, most)
	}
	return nil
}
