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

// headMembers is how many members the code of heads is learned from.
const headMembers = 8

// fitHeads sets the code of a family's heads, learned from some members' heads and from
// the features that these make of the gate's images, and how far the mean's answers
// diverge from theirs. A basis without a metric has no code: heads are kept as they
// came.
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
	mean, err := r.ofMean(b)
	if err != nil {
		return err
	}
	h, members := plan.Heads()[0], pickMembers(sources, headMembers)
	task := output.TaskOf(m.ProblemType(), len(m.Labels()))
	var heads [][]float32
	var rows []float32
	var divergences []float64 // of members with a task like the first one's
	for _, s := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, err := r.of(s.Read)
		if err != nil {
			return err
		}
		head, labels, err := family.JoinHead(h, s.ReadPrivate)
		if err != nil {
			return err
		}
		own, err := s.Task(labels)
		if err != nil {
			return err
		}
		if own.Function() == task.Function() {
			divergences = append(divergences, gate.Compare(own, gate.Logits(mean, head, labels), gate.Logits(x, head, labels), labels).KL)
		}
		rows, heads = append(rows, x...), append(heads, head)
	}
	b.DivergenceTask = string(task)
	for _, d := range divergences {
		b.Divergence += d / float64(len(divergences))
	}
	if b.Divergence = gate.Digits(b.Divergence); b.Divergence-b.Divergence != 0 { // not finite
		b.Divergence = 0
	}
	if b.Metric == subspace.MetricNone {
		return nil
	}
	head, err := subspace.FitHead(family.HeadName(plan), h.Bias != "", subspace.Gram(rows, family.HeadWidth(h)), heads)
	if err != nil {
		return err
	}
	b.Heads = []store.BasisHead{*head}
	return nil
}

// featureReader computes the features of the same images under different weights.
type featureReader struct {
	model models.Model
	input []float32
	slab  []float32
	pool  nn.Pool
}

// of returns the features under dense weights.
func (r *featureReader) of(read family.Read) ([]float32, error) {
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
