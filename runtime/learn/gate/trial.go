package gate

import (
	"context"

	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/teach"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// trial makes candidates for the variant of one checkpoint and compares them with the
// checkpoint's own answers, which are computed once. It computes in float32, whatever
// precision the family is served in.
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
	headStep float64   // 0 if the head is stored unchanged
	features []float32 // the original's, (images, width)
	original []float32 // the original's logits, (images, labels)
	plan     *nn.Plan
	slab     []float32
	refiner  *teach.Refiner // nil before the first use
}

// newTrial returns a trial for a checkpoint, whose answers to the images it computes.
func newTrial(f *family.Family, p *subspace.Projector, s family.Source, images *Images, workers int) (*trial, error) {
	if err := family.CheckSingleHead(f.Plan); err != nil {
		return nil, err
	}
	t := &trial{family: f, projector: p, source: s, images: images, workers: workers, plan: f.Plan.In(nn.Float32)}
	var err error
	if t.head, t.labels, err = family.JoinHead(f.Plan.Heads()[0], s.ReadPrivate); err != nil {
		return nil, err
	}
	if t.task, err = s.Task(t.labels); err != nil {
		return nil, err
	}
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

// inputs returns the number of the head's inputs, not counting the bias.
func (t *trial) inputs() int { return t.plan.Heads()[0].Inputs }

// featuresOf returns the features of images under weights.
func (t *trial) featuresOf(w *nn.Weights, input []float32) ([]float32, error) {
	t.plan.Features(w)
	return Features(t.family.Model, &t.family.Passes, w, input, t.workers)
}

// denseFeatures returns the features of images under dense weights.
func (t *trial) denseFeatures(read family.ReadFunc, input []float32) ([]float32, error) {
	w, err := family.LoadDense(t.plan, read, t.slab)
	if err != nil {
		return nil, err
	}
	return t.featuresOf(w, input)
}

// heldOut returns the rows of the held-out images, from rows of all images.
func (t *trial) heldOut(rows []float32) []float32 {
	width := len(rows) / (t.images.fitting + t.images.heldOut)
	return rows[t.images.fitting*width:]
}

// fitting returns the rows of the images for fitting, from rows of all images.
func (t *trial) fitting(rows []float32) []float32 {
	return rows[:len(rows)-len(t.heldOut(rows))]
}

// candidate is a variant of the checkpoint and how it answers.
type candidate struct {
	variant *store.Variant
	answers store.Answers
}

// bytes returns the size of the variant without its metadata.
func (x *candidate) bytes() int64 {
	v := x.variant
	return int64(len(v.Coefficients)+len(v.Gains)) + family.PrivateBytes(v)
}

// passes reports whether the answers are close enough to the original's.
func (x *candidate) passes(o Options) bool { return x.answers.Passes(o.MinAgreement, o.MaxKL) }

// candidate returns the candidate at a quantisation step.
func (t *trial) candidate(step float64) (*candidate, error) {
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}}
	if err := t.projector.Quantise(v, t.coefficients, step); err != nil {
		return nil, err
	}
	return t.score(v)
}

// refinedCandidate is candidate with coefficients that are first refined towards the
// original's answers to the images for fitting.
func (t *trial) refinedCandidate(ctx context.Context, step float64) (*candidate, error) {
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
	return t.score(v)
}

// withoutOnes returns the first inputs values of each row of x (n, width).
func withoutOnes(x []float32, width, inputs int) []float32 {
	out := make([]float32, 0, len(x)/width*inputs)
	for ; len(x) > 0; x = x[width:] {
		out = append(out, x[:inputs]...)
	}
	return out
}

// score rebuilds a variant as a server does, adds a head that is fitted to its features,
// and compares its answers with the original's.
func (t *trial) score(v *store.Variant) (*candidate, error) {
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
	return &candidate{variant: v, answers: t.compare(t.heldOut(x), head)}, nil
}

// compare compares the answers of a head to features of the held-out images with the
// original's.
func (t *trial) compare(features, head []float32) store.Answers {
	return Compare(t.task, Logits(features, head, t.labels), t.heldOut(t.original), t.labels)
}
