package learn

import (
	"context"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// headMembers is the number of members that the code of heads is learned from.
const headMembers = 8

// fitHeads sets two fields of a basis: the divergence of the mean's answers from those of
// some members on the gate's images, and the code of heads, which it learns from the same
// members' heads and features. A basis without a metric has no code for heads: they are
// stored unchanged.
func fitHeads(ctx context.Context, m models.Model, sources []family.Source, probes *gate.Probes, b *store.Basis) error {
	plan := m.Plan()
	if family.CheckSingleHead(plan) != nil {
		return nil
	}
	images, err := gate.NewImages(probes, m)
	if err != nil {
		return err
	}
	r := featureReader{model: m, input: images.Input(), slab: make([]float32, plan.SlabLen())}
	features, heads, err := r.measureMembers(ctx, pickMembers(sources, headMembers), b)
	if err != nil || b.Metric == subspace.MetricNone {
		return err
	}
	h := plan.Heads()[0]
	head, err := subspace.FitHead(family.HeadName(plan), h.Bias != "", subspace.Gram(features, family.HeadWidth(h)), heads)
	if err != nil {
		return err
	}
	b.Heads = []store.BasisHead{*head}
	return nil
}

// featureReader computes the features of some images under different weights.
type featureReader struct {
	model models.Model
	input []float32
	slab  []float32
	pool  nn.Pool
}

// measureMembers sets the divergence of a basis, over members with a task like that of the
// fit's first checkpoint, and returns the features (members·images,
// width) and the heads of the members that it measures.
func (r *featureReader) measureMembers(ctx context.Context, members []family.Source, b *store.Basis) (features []float32, heads [][]float32, err error) {
	mean, err := r.ofMean(b)
	if err != nil {
		return nil, nil, err
	}
	task := output.TaskOf(r.model.ProblemType(), len(r.model.Labels()))
	b.DivergenceTask = string(task)
	var divergences []float64
	for _, s := range members {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		x, err := r.of(s.Read)
		if err != nil {
			return nil, nil, err
		}
		head, labels, err := family.JoinHead(r.model.Plan().Heads()[0], s.ReadPrivate)
		if err != nil {
			return nil, nil, err
		}
		own, err := s.Task(labels)
		if err != nil {
			return nil, nil, err
		}
		if own.Function() == task.Function() {
			divergences = append(divergences, gate.Compare(own, gate.Logits(mean, head, labels), gate.Logits(x, head, labels), labels).KL)
		}
		features, heads = append(features, x...), append(heads, head)
	}
	for _, d := range divergences {
		b.Divergence += d / float64(len(divergences))
	}
	if b.Divergence = gate.Round(b.Divergence); b.Divergence-b.Divergence != 0 { // not finite
		b.Divergence = 0
	}
	return features, heads, nil
}

// of returns the features under dense weights.
func (r *featureReader) of(read family.ReadFunc) ([]float32, error) {
	plan := r.model.Plan()
	w, err := family.LoadDense(plan, read, r.slab)
	if err != nil {
		return nil, err
	}
	plan.Features(w)
	return gate.Features(r.model, &r.pool, w, r.input, parallel)
}

// ofMean returns the features under the mean of a basis.
func (r *featureReader) ofMean(b *store.Basis) ([]float32, error) {
	read, err := family.Collect(func(put subspace.Put) error { return subspace.Mean(b, put) })
	if err != nil {
		return nil, err
	}
	return r.of(read)
}
