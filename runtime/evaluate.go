package runtime

import (
	"context"
	"fmt"
	"slices"

	"eigenserve/models/image"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Images are labelled images for an evaluation.
type Images struct {
	// Labels are indexes into the checkpoint's labels; where they are nil, Names
	// are the labels themselves.
	Labels []int
	Names  []string
	// Image gives the i-th one, decoded as spec has it.
	Image func(spec image.Spec, i int) (*image.Image, error)
}

// labels resolves the images' labels to indexes into a checkpoint's.
func (im Images) labels(known []string) ([]int, error) {
	if im.Labels != nil {
		for i, l := range im.Labels {
			if l < 0 || l >= len(known) {
				return nil, fmt.Errorf("image %d has label %d; the model has %d", i, l, len(known))
			}
		}
		return im.Labels, nil
	}
	out := make([]int, len(im.Names))
	for i, name := range im.Names {
		if out[i] = slices.Index(known, name); out[i] < 0 {
			return nil, fmt.Errorf("image %d has label %q, which is none of the model's", i, name)
		}
	}
	return out, nil
}

// Evaluation tells how a variant answers beside its original and the nulls.
// Shares are from 0 to 1.
type Evaluation struct {
	Name string `json:"name"`
	// Accuracies: of the original checkpoint, dense; of the variant rebuilt; of
	// the family's mean with the variant's own head; of as many random
	// directions, coded to as many bytes.
	Original    float64 `json:"original"`
	Rebuilt     float64 `json:"rebuilt"`
	MeanOnly    float64 `json:"mean_only"`
	RandomBasis float64 `json:"random_basis"`
	// Agreement is how often the variant's best label is the original's.
	Agreement float64 `json:"agreement"`
	// Energy is the share of the delta's that the stored form keeps.
	Energy      float64 `json:"energy"`
	Step        float64 `json:"step"`
	Bytes       int64   `json:"bytes"`
	SourceBytes int64   `json:"source_bytes"`
	// SharedBytes are the coded shared tensors alone; SharedHalfBytes what they
	// take in float16.
	SharedBytes     int64 `json:"shared_bytes"`
	SharedHalfBytes int64 `json:"shared_float16_bytes"`
}

// Evaluator scores the variants of one family.
type Evaluator struct {
	eng    *Engine
	family *family
	// step, where it is positive, is used in the place of the stored one.
	step float64
}

// NewEvaluator prepares a family. A positive step evaluates checkpoints at that
// step, whether they are stored or not.
func (eng *Engine) NewEvaluator(family string, step float64) (*Evaluator, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	f, _, err := eng.current(family)
	if err != nil {
		return nil, err
	}
	return &Evaluator{eng: eng, family: f, step: step}, nil
}

// Evaluate scores one checkpoint and its variant on labelled images.
func (ev *Evaluator) Evaluate(ctx context.Context, c *checkpoint.Checkpoint, images Images) (Evaluation, error) {
	if err := ev.eng.enter(); err != nil {
		return Evaluation{}, err
	}
	defer ev.eng.leave()
	f := ev.family
	s, m, err := f.admit(c)
	if err != nil {
		return Evaluation{}, err
	}
	projector, err := f.project()
	if err != nil {
		return Evaluation{}, err
	}
	defer projector.done()
	v, err := ev.variant(ctx, c, s.digest)
	if err != nil {
		return Evaluation{}, err
	}
	labels, err := images.labels(m.Labels())
	if err != nil {
		return Evaluation{}, Errorf(Invalid, "%s: %w", c.Name, err)
	}
	input, err := pixelsOf(f, v, images, len(labels))
	if err != nil {
		return Evaluation{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	file, err := v.Bytes()
	if err != nil {
		return Evaluation{}, err
	}
	out := Evaluation{Name: c.Name, Energy: v.Fidelity.Energy, Step: v.Fidelity.Step, Bytes: int64(len(file)),
		SourceBytes: c.Bytes(), SharedBytes: v.Fidelity.Bytes.Coefficients, SharedHalfBytes: f.dense() / 2}

	run := runner{f: f, v: v, source: s, input: input, images: len(labels), slab: make([]float32, f.plan.SlabLen())}
	original, err := run.dense(s.Read)
	if err != nil {
		return out, err
	}
	rebuilt, err := run.rebuilt()
	if err != nil {
		return out, err
	}
	mean, err := run.tensors(func(put subspace.Put) error { return subspace.Mean(projector.basis, put) })
	if err != nil {
		return out, err
	}
	random, err := run.random(projector.Projector, len(v.Coefficients))
	if err != nil {
		return out, err
	}
	out.Original, out.Rebuilt = share(original, labels), share(rebuilt, labels)
	out.MeanOnly, out.RandomBasis = share(mean, labels), share(random, labels)
	out.Agreement = share(rebuilt, original)
	return out, nil
}

// variant gives the stored variant of the checkpoint's name, or one made at the
// evaluator's step.
func (ev *Evaluator) variant(ctx context.Context, c *checkpoint.Checkpoint, digest string) (*store.Variant, error) {
	if ev.step > 0 {
		return ev.family.variantOf(ctx, c, c.Name, Gate{Step: ev.step}, 1)
	}
	h, err := ev.eng.find(c.Name)
	if err != nil {
		return nil, Errorf(NotFound, "checkpoint %q is not in the store: `eigenserve add` it first, or give a --step", c.Name)
	}
	v, err := ev.eng.store.ReadVariant(h.entry.Digest)
	if err != nil {
		return nil, storeError(err)
	}
	if v.Provenance.Checkpoint != digest {
		return nil, Errorf(Conflict, "model %q was made from another checkpoint than the one given: `eigenserve add` it again", c.Name)
	}
	return v, v.CheckBasis(ev.family.basis)
}

// pixelsOf prepares images as the server would.
func pixelsOf(f *family, v *store.Variant, images Images, n int) ([]float32, error) {
	if n == 0 {
		return nil, Errorf(Invalid, "there are no images")
	}
	spec, err := f.pixels(v)
	if err != nil {
		return nil, err
	}
	size := spec.Len()
	out := make([]float32, n*size)
	for i := range n {
		img, err := images.Image(spec, i)
		if err != nil {
			return nil, err
		}
		if err := spec.Fill(out[i*size:(i+1)*size], img); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// share is how often a and b are the same.
func share(a, b []int) float64 {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}
