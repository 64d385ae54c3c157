package learn

import (
	"context"
	"time"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Exported for tests.
const (
	MetricImages  = metricImages
	MetricMembers = metricMembers
)

// PickMembers exports pickMembers.
var PickMembers = pickMembers

// SaveEvery returns options that save sums so often.
func SaveEvery(o Options, every time.Duration) Options {
	o.saveEvery = every
	return o
}

// MetricOptions exports what metrics are measured with.
type MetricOptions struct {
	Kind     string
	Model    models.Model
	Input    []float32
	Memory   int64
	Batch    int
	Progress func(done, total int)
}

func (m MetricOptions) inner() metricOptions {
	return metricOptions{kind: m.Kind, model: m.Model, input: m.Input, memory: m.Memory, batch: m.Batch, progress: m.Progress}
}

// Groups is how many groups the layers are measured in.
func (m MetricOptions) Groups() int { return len(m.inner().groups()) }

// TapeImages exports tapeImages.
func (m MetricOptions) TapeImages() int { return m.inner().tapeImages() }

// Measure exports metricOf.
func (m MetricOptions) Measure(ctx context.Context, sources []family.Source) (*subspace.Metric, error) {
	return metricOf(ctx, sources, m.inner())
}

// PlanRefit plans the moves of a refit to checkpoints.
func PlanRefit(s *store.Store, name string, checkpoints []*checkpoint.Checkpoint) (moves int, out Refitted, err error) {
	r := refit{store: s, out: Refitted{Family: name}}
	planned, err := r.plan(newOriginals(nil, checkpoints))
	return len(planned), r.out, err
}
