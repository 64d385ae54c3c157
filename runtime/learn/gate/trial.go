package gate

import (
	"context"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/teach"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// trial compares forms of one checkpoint with the checkpoint's own answers, which are
// computed once. Everything runs in float32, whatever the family is served in.
type trial struct {
	family       *family.Family
	projector    *subspace.Projector
	source       family.Source
	coefficients *subspace.Coefficients
	images       *Images
	labels       int
	task         output.Task
	workers      int

	head     []float32 // the original's [W b], (labels, width)
	headStep float64   // 0 if the head is kept as it came
	features []float32 // the original's, (images, width)
	original []float32 // the original's logits, (images, labels)
	plan     *nn.Plan
	slab     []float32
	refiner  *teach.Refiner // made at its first use
}

// newTrial computes a checkpoint's answers to the images.
func newTrial(f *family.Family, p *subspace.Projector, s family.Source, m models.Model, images *Images, workers int) (*trial, error) {
	if err := family.CheckSingleHead(f.Plan); err != nil {
		return nil, err
	}
	t := &trial{family: f, projector: p, source: s, images: images, workers: workers, plan: f.Plan.In(nn.Float32)}
	var err error
	if t.head, t.labels, err = family.JoinHead(f.Plan.Heads()[0], s.ReadPrivate); err != nil {
		return nil, err
	}
	if t.labels != len(m.Labels()) {
		return nil, fault.Errorf(fault.Invalid, "checkpoint %q: %d labels for a head of %d outputs; id2label of its config.json names them", s.Name(), len(m.Labels()), t.labels)
	}
	t.task = output.TaskOf(m.ProblemType(), t.labels)
	if t.coefficients, err = p.Project(s); err != nil {
		return nil, err
	}
	t.slab = make([]float32, t.plan.SlabLen())
	if t.features, err = t.denseFeatures(s.Read, images.input); err != nil {
		return nil, err
	}
	t.original = Logits(t.features, t.head, t.labels)
	for _, x := range t.original {
		if x-x != 0 {
			return nil, fault.Errorf(fault.Invalid, "checkpoint %q answers probe images with %g: its weights overflow", s.Name(), x)
		}
	}
	return t, nil
}

// inputs returns the number of the head's inputs, without the bias.
func (t *trial) inputs() int { return t.plan.Heads()[0].Inputs }

// featuresOf returns the features of images under weights.
func (t *trial) featuresOf(w *nn.Weights, input []float32) ([]float32, error) {
	t.plan.Features(w)
	return Features(t.family.Model, &t.family.Passes, w, input, t.workers)
}

// denseFeatures returns the features of images under dense weights.
func (t *trial) denseFeatures(read family.Read, input []float32) ([]float32, error) {
	w, err := family.LoadDense(t.plan, read, t.slab)
	if err != nil {
		return nil, err
	}
	return t.featuresOf(w, input)
}

// heldOut returns the rows of the images that forms are judged on, of rows for all
// images.
func (t *trial) heldOut(rows []float32) []float32 {
	width := len(rows) / (t.images.fitted + t.images.judged)
	return rows[t.images.fitted*width:]
}

// fitting returns the other rows, which heads are fitted to.
func (t *trial) fitting(rows []float32) []float32 {
	return rows[:len(rows)-len(t.heldOut(rows))]
}

// form is one way to store the checkpoint, and how it answers.
type form struct {
	variant *store.Variant
	answers store.Answers
}

// bytes returns the size of a form without metadata.
func (x *form) bytes() int64 {
	v := x.variant
	return int64(len(v.Coefficients)+len(v.Gains)) + family.PrivateBytes(v)
}

// passes reports whether a form's answers are close enough to the original's.
func (x *form) passes(o Options) bool { return x.answers.Passes(o.MinAgreement, o.MaxKL) }

// at returns the form of a step: quantised and rebuilt as a server would, with a head
// that is fitted to the rebuilt weights' features, and coded.
func (t *trial) at(step float64) (*form, error) {
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}}
	if err := t.projector.Quantise(v, t.coefficients, step); err != nil {
		return nil, err
	}
	return t.judge(v)
}

// refined is at with coefficients that are refined towards the original's answers to
// the fitting images.
func (t *trial) refined(ctx context.Context, step float64) (*form, error) {
	if t.refiner == nil {
		t.refiner = teach.NewRefiner(t.family, teach.Target{
			Images:   t.fitting(t.images.input),
			Features: withoutOnes(t.fitting(t.features), len(t.head)/t.labels, t.inputs()),
			Head:     t.head, Labels: t.labels, Task: t.task, Spread: Spread(t.original, t.labels),
		})
	}
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}}
	if err := t.refiner.Refine(ctx, t.projector, v, t.coefficients, step); err != nil {
		return nil, err
	}
	return t.judge(v)
}

// withoutOnes returns the first inputs of each row of x (n, width).
func withoutOnes(x []float32, width, inputs int) []float32 {
	out := make([]float32, 0, len(x)/width*inputs)
	for ; len(x) > 0; x = x[width:] {
		out = append(out, x[:inputs]...)
	}
	return out
}

// judge adds a head to a variant whose coefficients are coded, and compares its answers
// with the original's.
func (t *trial) judge(v *store.Variant) (*form, error) {
	w, err := t.family.RebuildShared(t.plan, v, t.slab)
	if err != nil {
		return nil, err
	}
	x, err := t.featuresOf(w, t.images.input)
	if err != nil {
		return nil, err
	}
	head, err := t.fitHead(v, x)
	if err != nil {
		return nil, err
	}
	return &form{variant: v, answers: t.compare(t.heldOut(x), head)}, nil
}

// compare compares the answers of a head to held-out features with the original's.
func (t *trial) compare(features, head []float32) store.Answers {
	return Compare(t.task, Logits(features, head, t.labels), t.heldOut(t.original), t.labels)
}
