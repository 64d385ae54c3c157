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

// Constants exported for tests.
const (
	MetricImages  = metricImages
	MetricMembers = metricMembers
)

// PickMembers exports pickMembers.
var PickMembers = pickMembers

// SaveEvery returns options that save unfinished sums at the given interval.
func SaveEvery(o Options, every time.Duration) Options {
	o.saveEvery = every
	return o
}

// Measurement exports measurement.
type Measurement struct {
	Kind     string
	Model    models.Model
	Input    []float32
	Memory   int64
	Batch    int
	Progress func(done, total int)
}

func (m Measurement) inner() measurement {
	return measurement{kind: m.Kind, model: m.Model, input: m.Input, memory: m.Memory, batch: m.Batch, progress: m.Progress}
}

// Groups returns the number of groups that the layers are measured in.
func (m Measurement) Groups() int { return len(m.inner().groups()) }

// TapeImages exports tapeImages.
func (m Measurement) TapeImages() int { return m.inner().tapeImages() }

// Metric exports metric.
func (m Measurement) Metric(ctx context.Context, sources []family.Source) (*subspace.Metric, error) {
	return m.inner().metric(ctx, sources)
}

// PlanRefit plans a refit to checkpoints and returns the number of moves.
func PlanRefit(s *store.Store, name string, checkpoints []*checkpoint.Checkpoint) (moves int, out Refitted, err error) {
	r := refit{store: s, out: Refitted{Family: name}}
	planned, err := r.plan(newOriginals(nil, checkpoints))
	return len(planned), r.out, err
}
