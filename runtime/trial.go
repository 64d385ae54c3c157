package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// trial tries forms of one checkpoint against its answers, which are computed
// once. Everything runs in float32, whatever the engine serves in.
type trial struct {
	family       *family
	projector    *subspace.Projector
	source       source
	coefficients *subspace.Coefficients
	images       *gateImages
	labels       int
	workers      int

	head     []float32 // as it came, [W b] (labels,width)
	headStep float64   // 0: it is kept as it came
	features []float32 // of the original (images,width)
	original []float32 // its logits (images,labels)
	plan     *nn.Plan
	slab     []float32
	refiner  *refiner // made at its first use
}

// newTrial answers the images with a checkpoint as it came.
func (f *family) newTrial(p *subspace.Projector, s source, m models.Model, images *gateImages, workers int) (*trial, error) {
	if err := oneHead(f.plan); err != nil {
		return nil, err
	}
	t := &trial{family: f, projector: p, source: s, images: images, workers: workers, plan: f.plan.In(nn.Float32)}
	var err error
	if t.head, t.labels, err = joinHead(f.plan.Heads()[0], s.private); err != nil {
		return nil, err
	}
	if t.labels != len(m.Labels()) {
		return nil, Errorf(Invalid, "checkpoint %q: %d labels for a head of %d outputs; id2label of its config.json names them", s.Name(), len(m.Labels()), t.labels)
	}
	if t.coefficients, err = p.Project(s); err != nil {
		return nil, err
	}
	t.slab = make([]float32, t.plan.SlabLen())
	if err := t.plan.Load(t.slab, s.Read); err != nil {
		return nil, err
	}
	w := t.plan.Bind(t.slab)
	if t.features, err = t.read(&w, images.input); err != nil {
		return nil, err
	}
	t.original = answer(t.features, t.head, t.labels)
	for _, x := range t.original {
		if x-x != 0 {
			return nil, Errorf(Invalid, "checkpoint %q answers probe images with %g: its weights overflow", s.Name(), x)
		}
	}
	return t, nil
}

// read gives the features of images under some weights.
func (t *trial) read(w *nn.Weights, input []float32) ([]float32, error) {
	t.plan.Features(w)
	return features(t.family.model, &t.family.passes, w, input, t.workers)
}

// judged gives of rows, one for each image, those that are judged.
func (t *trial) judged(rows []float32) []float32 {
	return rows[t.images.fitted*(len(rows)/(t.images.fitted+t.images.judged)):]
}

// fitted gives the others.
func (t *trial) fitted(rows []float32) []float32 {
	return rows[:len(rows)-len(t.judged(rows))]
}

// form is one way to store the checkpoint, and how it answers.
type form struct {
	variant *store.Variant
	answers store.Answers
}

// at gives the form of a step: quantised, rebuilt as a server would, its head
// fitted to what the rebuilt weights make of the images and coded.
func (t *trial) at(step float64) (*form, error) {
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}}
	if err := t.projector.Quantise(v, t.coefficients, step); err != nil {
		return nil, err
	}
	return t.answer(v)
}

// refined is at with the coefficients refined towards the original's answers to
// the fitted images.
func (t *trial) refined(ctx context.Context, step float64) (*form, error) {
	if t.refiner == nil {
		t.refiner = t.family.newRefiner(target{images: t.fitted(t.images.input), features: withoutOnes(t.fitted(t.features), len(t.head)/t.labels, t.plan.Heads()[0].Inputs), head: t.head, labels: t.labels})
	}
	v := &store.Variant{Private: map[string]tensorfile.Tensor{}}
	if err := t.refiner.refine(ctx, t.projector, v, t.coefficients, step); err != nil {
		return nil, err
	}
	return t.answer(v)
}

// withoutOnes gives the first inputs of each row of x (n,width).
func withoutOnes(x []float32, width, inputs int) []float32 {
	out := make([]float32, 0, len(x)/width*inputs)
	for ; len(x) > 0; x = x[width:] {
		out = append(out, x[:inputs]...)
	}
	return out
}

// answer completes a variant whose coefficients are coded, and judges it.
func (t *trial) answer(v *store.Variant) (*form, error) {
	w, err := t.family.rebuildShared(t.plan, v, t.slab)
	if err != nil {
		return nil, err
	}
	x, err := t.read(w, t.images.input)
	if err != nil {
		return nil, err
	}
	head, err := t.fitHead(v, x)
	if err != nil {
		return nil, err
	}
	return &form{variant: v, answers: compare(answer(t.judged(x), head, t.labels), t.judged(t.original), t.labels)}, nil
}

// fitHead gives a variant the head that makes the original's logits of the
// variant's own features, and returns it as a reader will have it. Without
// directions for heads it stays as it came.
func (t *trial) fitHead(v *store.Variant, x []float32) ([]float32, error) {
	if t.headStep == 0 {
		return t.head, t.keepHead(v)
	}
	width := len(t.head) / t.labels
	head, err := subspace.RefitHead(t.head, t.fitted(x), t.fitted(t.original), t.labels, width)
	if err != nil {
		return nil, err
	}
	return t.codeHead(v, head)
}

// codeHead codes a head into the variant and gives what a reader will decode.
func (t *trial) codeHead(v *store.Variant, head []float32) ([]float32, error) {
	var err error
	if v.Head, err = t.family.head.Encode(head, t.labels, t.headStep); err != nil {
		return nil, err
	}
	v.HeadStep = t.headStep
	return t.family.head.Decode(v.Head, t.labels, t.headStep)
}

// keepHead takes the head's tensors as they came.
func (t *trial) keepHead(v *store.Variant) error {
	for _, p := range t.family.plan.Private {
		tensor, ok := t.source.Tensor(p.Name)
		if !ok {
			return Errorf(Invalid, "checkpoint %q: tensor %q is missing", t.source.Name(), p.Name)
		}
		v.Private[p.Name] = tensor
	}
	return nil
}

// headShare is how much of the divergence that a gate allows the code of the
// head may use up. A byte more buys more in the head than in the coefficients
// until it uses about so much.
const headShare = 1. / 16

// Steps of the head's code, in logits, that are tried from the first on.
const coarsestHead, finestHead = 0.5, 1e-4

// chooseHead finds the coarsest code of the original's head that costs its
// answers next to nothing. That takes no pass: the features are there. Where none
// does, the head stays as it came.
func (t *trial) chooseHead(g Gate) error {
	if t.family.head == nil || len(t.head) > mostCodedHead {
		return nil
	}
	for t.headStep = coarsestHead; t.headStep > finestHead; t.headStep /= math.Sqrt2 {
		head, err := t.codeHead(new(store.Variant), t.head)
		if errors.Is(err, subspace.ErrStep) {
			break
		}
		if err != nil {
			return err
		}
		a := compare(answer(t.judged(t.features), head, t.labels), t.judged(t.original), t.labels)
		if a.KL <= headShare*g.MaxKL {
			t.headStep = digits(t.headStep)
			return nil
		}
	}
	t.headStep = 0
	return nil
}

// meanOnly is a null: how the family's mean answers with the original's own head.
func (t *trial) meanOnly() (store.Answers, error) {
	x, err := t.images.meanFeatures(t.readMean)
	if err != nil {
		return store.Answers{}, err
	}
	return t.null(x), nil
}

// readMean gives the features of the judged images under the mean's weights.
func (t *trial) readMean() ([]float32, error) {
	b := t.projector.Basis()
	zero := &store.Variant{Step: 1}
	layers, vectors := zeros(b)
	if err := subspace.EncodeIntegers(zero, b, layers, vectors); err != nil {
		return nil, fmt.Errorf("the mean alone: %w", err)
	}
	w, err := t.family.rebuildShared(t.plan, zero, t.slab)
	if err != nil {
		return nil, err
	}
	return t.read(w, t.judged(t.images.input))
}

// random is another: how as many random directions answer, coded to so many bytes.
// No other form can be tried after it: it uses the coefficients up.
func (t *trial) random(bytes int) (store.Answers, error) {
	read, err := readRandom(t.projector, t.coefficients, bytes)
	if err != nil {
		return store.Answers{}, err
	}
	if err := t.plan.Load(t.slab, read); err != nil {
		return store.Answers{}, err
	}
	w := t.plan.Bind(t.slab)
	x, err := t.read(&w, t.judged(t.images.input))
	if err != nil {
		return store.Answers{}, err
	}
	return t.null(x), nil
}

// null judges features (images,width) of the judged images with the original's own
// head.
func (t *trial) null(x []float32) store.Answers {
	return compare(answer(x, t.head, t.labels), t.judged(t.original), t.labels)
}
