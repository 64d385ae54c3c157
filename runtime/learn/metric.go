package learn

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store/subspace"
)

// Limits of what a metric is measured on.
const (
	metricMembers = 24
	metricImages  = 128
	// metricRows limits the rows that one member computes, though it reads at least
	// minImages images. An image of many rows tells more than one of few, and takes longer
	// in proportion. Each member starts where the one before it ended.
	metricRows = 1 << 12
	minImages  = 16
	// maxTapeFloats limits the activations recorded at once, in float32s.
	maxTapeFloats = 1 << 27
	maxTapeImages = 32
	// saveEvery is how often the sums of a measurement are saved. The sums of a ViT-B,
	// 650 MB, are written in a second or two.
	saveEvery = time.Minute
)

// measurement describes how a metric is measured.
type measurement struct {
	kind      string
	model     models.Model
	input     []float32     // the probes, prepared for the model
	memory    int64         // limit in bytes
	batch     int           // images recorded at once; 0 for as many as fit
	work      *workspace    // keeps the results; nil to keep them in memory
	saveEvery time.Duration // how often unfinished sums are saved; 0 for the default
	progress  func(done, total int)
}

// measureMetric returns the metric that the options name, nil if that is none.
func measureMetric(ctx context.Context, m models.Model, sources []family.Source, input []float32, o Options) (*subspace.Metric, error) {
	if o.Metric == subspace.MetricNone {
		return nil, nil
	}
	run := measurement{kind: o.Metric, model: m, input: input, memory: o.Memory, work: o.work, saveEvery: o.saveEvery,
		progress: func(done, total int) { o.Progress("measure", done, total) }}
	return run.metric(ctx, sources)
}

// metric measures how much an error in each shared tensor changes the answers of some
// members to the probes. If the moments of all layers do not fit in memory, the members
// run once for each group of layers.
func (m measurement) metric(ctx context.Context, sources []family.Source) (*subspace.Metric, error) {
	members, plan := pickMembers(sources, metricMembers), m.model.Plan()
	measured := &metricCache{work: m.work, layers: map[int]subspace.LayerMetric{}}
	groups, progress := m.groups(), m.progress
	for g, group := range groups {
		m.progress = func(done, _ int) { progress(g*len(members)+done, len(groups)*len(members)) }
		if err := m.measureGroup(ctx, members, group[0], group[1], measured); err != nil {
			return nil, err
		}
	}
	return &subspace.Metric{Kind: m.kind, Vectors: measured.vectors(len(plan.Vectors)), Layer: measured.layer}, nil
}

// groups divides the plan's layers into half-open ranges. The moments of each fit in
// memory together with a model and its recorded passes.
func (m measurement) groups() (out [][2]int) {
	plan := m.model.Plan()
	room := m.memory*4/5 - 4*int64(plan.SlabLen()) - 8*m.tapeFloats()
	from, used := 0, int64(0)
	for i, l := range plan.Layers {
		n := nn.MomentsBytes(l)
		if used += n; used > room && i > from {
			out = append(out, [2]int{from, i})
			from, used = i, n
		}
	}
	return append(out, [2]int{from, len(plan.Layers)})
}

// tapeFloats returns how many float32s of activations may be recorded at once, which take
// an eighth of the memory. Their gradients take as much again.
func (m measurement) tapeFloats() int64 { return min(maxTapeFloats, m.memory/32) }

// tapeImages returns how many images may be recorded at once.
func (m measurement) tapeImages() int {
	row := 0
	for _, l := range m.model.Plan().Layers {
		row += l.Cols() + 2*l.Rows()
	}
	return max(1, min(maxTapeImages, int(m.tapeFloats())/(row*m.model.Rows(models.Input{}))))
}

// measureGroup measures the layers in [from, to), unless an earlier run has.
func (m measurement) measureGroup(ctx context.Context, members []family.Source, from, to int, measured *metricCache) error {
	if measured.hasAll(from, to) {
		m.progress(len(members), len(members))
		return nil
	}
	plan := m.model.Plan()
	r := recorder{model: m.model, input: m.input, batch: cmp.Or(m.batch, m.tapeImages()), slab: make([]float32, plan.SlabLen())}
	sums := partialSums{work: m.work, from: from, to: to}
	var first int
	var err error
	if r.moments, first, err = sums.restore(plan); err != nil {
		return err
	}
	for i, saved := first, time.Now(); i < len(members); i++ {
		if err := r.addMember(ctx, i, members[i], rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
			return fmt.Errorf("checkpoint %q: measure: %w", members[i].Name(), err)
		}
		if i+1 < len(members) && time.Since(saved) >= cmp.Or(m.saveEvery, saveEvery) {
			if err := sums.save(r.moments, i+1); err != nil {
				return err
			}
			saved = time.Now()
		}
		m.progress(i+1, len(members))
	}
	if err := measured.put(r.moments, from, to); err != nil {
		return err
	}
	return sums.remove()
}

// pickMembers returns at most limit sources. Which ones, and in what order, does not
// depend on the order of the sources.
func pickMembers(sources []family.Source, limit int) []family.Source {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b family.Source) int { return cmp.Compare(a.Digest(), b.Digest()) })
	n := min(limit, len(sources))
	out := make([]family.Source, n)
	for i := range out {
		out[i] = sources[i*len(sources)/n]
	}
	return out
}

// recorder runs members on the probes, forward and backward.
type recorder struct {
	model   models.Model
	input   []float32
	batch   int // images recorded at once
	slab    []float32
	pass    nn.Pass
	moments *nn.Moments
	// units are what the outputs of the member are measured in, nil for a softmax, on
	// which a constant common to all logits has no effect.
	units []float32
}

// addMember adds the passes of the i-th member, s, to the moments.
func (r *recorder) addMember(ctx context.Context, i int, s family.Source, random *rand.Rand) error {
	plan := r.model.Plan()
	w, err := family.LoadDense(plan, s.Read, r.slab)
	if err != nil {
		return err
	}
	if err := plan.BindPrivate(w, s.ReadPrivate); err != nil {
		return err
	}
	if r.units, err = r.unitsOf(s, w); err != nil {
		return err
	}
	inputs := models.Images(r.model, r.input)
	images := len(inputs)
	each := min(images, max(minImages, metricRows/r.model.Rows(models.Input{})))
	for from, to := i*each, (i+1)*each; from < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := from % images
		n := min(r.batch, to-from, images-at)
		if err := r.record(w, inputs[at:at+n], random); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// record runs images forward and backward and adds the pass to the moments.
func (r *recorder) record(w *nn.Weights, images []models.Input, random *rand.Rand) error {
	tape := r.pass.Record(nn.Group{Spans: models.Spans(r.model, images), Weights: w})
	outputs, err := r.model.Forward(&r.pass, images)
	if err != nil {
		return err
	}
	loss := make([][]float32, len(outputs))
	for i := range loss {
		loss[i] = make([]float32, len(outputs[i].Logits))
		if r.units == nil {
			nn.CentredLoss(loss[i], random)
			continue
		}
		nn.RandomLoss(loss[i], random)
		for k := range loss[i] {
			loss[i][k] *= r.units[k]
		}
	}
	tape.Backward(loss)
	r.moments.Add(tape)
	return nil
}

// unitsOf returns the units of a member's outputs, whose weights are w: 1 for a sigmoid,
// the inverse of the standard deviation over the images for a regression.
func (r *recorder) unitsOf(s family.Source, w *nn.Weights) ([]float32, error) {
	if len(w.Heads) != 1 {
		return nil, nil
	}
	labels := w.Heads[0].Outputs()
	task, err := s.Task(labels)
	if err != nil || task == output.SingleLabel {
		return nil, err
	}
	units := slices.Repeat([]float32{1}, labels)
	if task != output.Regression {
		return units, nil
	}
	logits, err := r.logits(w)
	if err != nil {
		return nil, err
	}
	for i, d := range gate.Spread(logits, labels) {
		units[i] = float32(1 / d)
	}
	return units, nil
}

// logits returns the answers to all images, (images, labels).
func (r *recorder) logits(w *nn.Weights) (out []float32, err error) {
	for images := models.Images(r.model, r.input); len(images) > 0; {
		some := images[:min(r.batch, len(images))]
		images = images[len(some):]
		r.pass.Begin(nn.Group{Spans: models.Spans(r.model, some), Weights: w})
		outputs, err := r.model.Forward(&r.pass, some)
		if err != nil {
			return nil, err
		}
		for _, o := range outputs {
			out = append(out, o.Logits...)
		}
	}
	return out, nil
}
