// Package eval compares the answers of a variant to labelled images with those of its
// original checkpoint and of two null models: the family's mean alone, and random
// directions in the same number of bytes. It stores nothing and serves no requests.
package eval

import (
	"context"
	"fmt"
	"slices"

	"eigenserve/models/image"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Images are labelled images.
type Images struct {
	// Labels are indexes into the checkpoint's labels. If Labels is nil, Names are the
	// labels.
	Labels []int
	Names  []string
	// Image returns the i-th image, decoded as spec says.
	Image func(spec image.Spec, i int) (*image.Image, error)
}

// indexes returns the labels as indexes into known, the labels of a checkpoint.
func (im Images) indexes(known []string) ([]int, error) {
	if im.Labels != nil {
		for i, l := range im.Labels {
			if l < 0 || l >= len(known) {
				return nil, fmt.Errorf("image %d has label %d; the model has %d labels", i, l, len(known))
			}
		}
		return im.Labels, nil
	}
	out := make([]int, len(im.Names))
	for i, name := range im.Names {
		if out[i] = slices.Index(known, name); out[i] < 0 {
			return nil, fmt.Errorf("image %d has label %q, which the model does not have", i, name)
		}
	}
	return out, nil
}

// Evaluation is the result of evaluating a variant. Shares are from 0 to 1.
type Evaluation struct {
	Name string `json:"name"`
	// Accuracy of the original checkpoint, of the rebuilt variant, of the family's mean
	// with the original's head, and of as many random directions coded in as many bytes.
	Original    float64 `json:"original"`
	Rebuilt     float64 `json:"rebuilt"`
	MeanOnly    float64 `json:"mean_only"`
	RandomBasis float64 `json:"random_basis"`
	// Agreement is the share of images for which the variant's best label is the original's.
	Agreement float64 `json:"agreement"`
	// Energy is the share of the delta's energy that the stored form keeps.
	Energy      float64 `json:"energy"`
	Step        float64 `json:"step"`
	Bytes       int64   `json:"bytes"`
	SourceBytes int64   `json:"source_bytes"`
	// SharedBytes is the size of the shared tensors as coded, SharedHalfBytes their size in
	// float16.
	SharedBytes     int64 `json:"shared_bytes"`
	SharedHalfBytes int64 `json:"shared_float16_bytes"`
}

// Evaluator evaluates the variants of one family.
type Evaluator struct {
	store  *store.Store
	family *family.Family
	gate   *gate.Gate
	step   float64 // evaluates a new variant at this step if positive, or else the stored one
}

// New opens a family of a store. If step is positive, checkpoints are evaluated at that
// step and need not be stored. The caller closes the evaluator.
func New(s *store.Store, name string, step float64) (*Evaluator, error) {
	f, err := family.OpenCurrent(s, name, nn.Float32)
	if err != nil {
		return nil, err
	}
	return &Evaluator{store: s, family: f, gate: gate.New(f, s), step: step}, nil
}

// Close frees the family. No call may be running.
func (ev *Evaluator) Close() error {
	if err := ev.gate.Close(); err != nil {
		ev.family.Close()
		return err
	}
	return ev.family.Close()
}

// Rank returns the largest number of directions on a side of any layer of the family.
func (ev *Evaluator) Rank() int { return ev.family.Basis.MaxDirections() }

// Evaluate compares a checkpoint with its variant on labelled images.
func (ev *Evaluator) Evaluate(ctx context.Context, c *checkpoint.Checkpoint, images Images) (Evaluation, error) {
	f := ev.family
	s, m, err := f.OpenMember(c)
	if err != nil {
		return Evaluation{}, err
	}
	if task := output.TaskOf(m.ProblemType(), len(m.Labels())); task != output.SingleLabel {
		return Evaluation{}, fault.Errorf(fault.Invalid, "checkpoint %q is a %s model: eval compares the best of several labels, of which this task has none; "+
			"`eigenserve show` says how well the stored variant agrees with it", c.Name, task)
	}
	v, err := ev.variant(ctx, c, s.Digest())
	if err != nil {
		return Evaluation{}, err
	}
	labels, err := images.indexes(m.Labels())
	if err != nil {
		return Evaluation{}, fault.Errorf(fault.Invalid, "%s: %w", c.Name, err)
	}
	input, err := ev.prepare(v, images, len(labels))
	if err != nil {
		return Evaluation{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	file, err := v.Bytes()
	if err != nil {
		return Evaluation{}, err
	}
	out := Evaluation{Name: c.Name, Energy: v.Fidelity.Energy, Step: v.Fidelity.Step, Bytes: int64(len(file)),
		SourceBytes: c.Bytes(), SharedBytes: v.Fidelity.Bytes.Coefficients, SharedHalfBytes: f.DenseBytes() / 2}
	a := answerer{family: f, source: s, input: input, slab: make([]float32, f.Plan.SlabLen())}
	err = ev.score(&out, &a, v, labels)
	return out, err
}

// score sets the accuracies and the agreement of an evaluation.
func (ev *Evaluator) score(out *Evaluation, a *answerer, v *store.Variant, labels []int) error {
	original, err := a.dense(a.source.Read)
	if err != nil {
		return err
	}
	rebuilt, err := a.rebuilt(v)
	if err != nil {
		return err
	}
	err = ev.gate.Project(a.source, func(p *subspace.Projector, c *subspace.Coefficients) error {
		read, err := family.Collect(func(put subspace.Put) error { return subspace.Mean(p.Basis(), put) })
		if err != nil {
			return err
		}
		mean, err := a.dense(read)
		if err != nil {
			return err
		}
		if read, err = gate.RandomDirections(p, c, len(v.Coefficients)); err != nil {
			return err
		}
		random, err := a.dense(read)
		out.MeanOnly, out.RandomBasis = equalShare(mean, labels), equalShare(random, labels)
		return err
	})
	out.Original, out.Rebuilt, out.Agreement = equalShare(original, labels), equalShare(rebuilt, labels), equalShare(rebuilt, original)
	return err
}

// variant returns the stored variant of a checkpoint, or one made at the evaluator's
// step.
func (ev *Evaluator) variant(ctx context.Context, c *checkpoint.Checkpoint, digest string) (*store.Variant, error) {
	if ev.step > 0 {
		return ev.gate.Variant(ctx, c, c.Name, gate.Options{Step: ev.step}, 1)
	}
	e, err := ev.store.Entry(c.Name)
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "checkpoint %q is not in the store: `eigenserve add` it first, or give a --step", c.Name)
	}
	v, err := ev.store.ReadVariant(e.Digest)
	if err != nil {
		return nil, family.Coded(err)
	}
	if v.Provenance.Checkpoint != digest {
		return nil, fault.Errorf(fault.Conflict, "model %q was made from another checkpoint than the one given: `eigenserve add` it again", c.Name)
	}
	return v, v.CheckBasis(ev.family.Basis)
}

// prepare returns n images, prepared as a server does: (n, channels, height, width).
func (ev *Evaluator) prepare(v *store.Variant, images Images, n int) ([]float32, error) {
	if n == 0 {
		return nil, fault.Errorf(fault.Invalid, "there are no images")
	}
	in, err := ev.family.InputOf(v)
	if err != nil {
		return nil, err
	}
	spec := in.Image
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

// equalShare returns the share of indexes at which a and b are equal.
func equalShare(a, b []int) float64 {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}
