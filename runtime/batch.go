package runtime

import (
	"context"
	goruntime "runtime"
	"slices"
	"time"

	"eigenserve/models/nn"
)

// answering tells what a variant's rows are answered with, without waiting: its
// slab if it has one. Without, they are answered factored, or, where that can't
// be, in a batch of their own after a rebuild.
func (eng *Engine) answering(l *loaded) (slab *lease, alone bool) {
	if slab := eng.cache.ready(l.variant.Digest); slab != nil {
		return slab, false
	}
	return nil, !eng.answersFactored(l)
}

func (eng *Engine) answersFactored(l *loaded) bool {
	return eng.options.Factored && l.family.Factorable(l.variant.Variant)
}

// answerBatch computes a batch. Every row is finished, whatever happens.
func (eng *Engine) answerBatch(b *batch) {
	defer func() {
		if p := recover(); p != nil {
			stack := make([]byte, 8<<10)
			err := Errorf(Internal, "a forward pass: panic: %v\n%s", p, stack[:goruntime.Stack(stack, false)])
			for _, g := range b.groups {
				eng.failGroup(&g, err)
			}
		}
		for _, g := range b.groups {
			for _, l := range []*lease{g.slab, g.cores} {
				if l != nil {
					l.release()
				}
			}
		}
		b.family.costs.row.observe(time.Since(b.began) / time.Duration(b.rows))
	}()
	weights := eng.gather(b)
	if len(weights) == 0 {
		return
	}
	eng.forward(b, weights)
}

// gather gives the weights of each group, in their order. Groups that have none
// are failed and left out.
func (eng *Engine) gather(b *batch) []*nn.Weights {
	var weights []*nn.Weights
	var sound []group
	for i := range b.groups {
		g := &b.groups[i]
		began := time.Now()
		w, err := eng.weightsOf(g)
		if err != nil {
			eng.failGroup(g, damaged(g.h, err))
			continue
		}
		took := time.Since(began)
		for _, x := range g.rows {
			x.timing.Rebuild, x.timing.Weights = took, g.answeredBy()
		}
		weights, sound = append(weights, w), append(sound, *g)
	}
	b.groups = sound
	return weights
}

// answeredBy says which weights a group has got.
func (g *group) answeredBy() string {
	switch {
	case g.slab == nil:
		return WeightsFactored
	case g.slab.rebuilt:
		return WeightsRebuilt
	}
	return WeightsSlab
}

// weightsOf gives a group's weights: its slab's, or the variant's factored, or
// rebuilt now. Only a group that is alone in its batch waits for a slab, so none
// is waited for by who holds another.
func (eng *Engine) weightsOf(g *group) (*nn.Weights, error) {
	if g.slab == nil && eng.answersFactored(g.l) {
		return eng.decode(g)
	}
	if g.slab == nil {
		// Whoever asked may be gone by now; the others of the group are not.
		lease, err := eng.lease(context.Background(), g.h, g.l)
		if err != nil {
			return nil, err
		}
		g.slab = lease
	}
	if hits := int64(len(g.rows)); g.slab.rebuilt {
		g.h.rebuilds.Add(1)
		g.h.hits.Add(hits - 1)
		eng.cache.counted(hits - 1)
	} else {
		g.h.hits.Add(hits)
		eng.cache.counted(hits - 1)
	}
	return g.slab.value().(*nn.Weights), nil
}

// forward runs the rows of a batch through their weights.
func (eng *Engine) forward(b *batch, weights []*nn.Weights) {
	f := b.family
	groups := make([]nn.Group, len(weights))
	var rows []*row
	warm := 0
	for i, g := range b.groups {
		groups[i] = nn.Group{Images: len(g.rows), Weights: weights[i]}
		rows = append(rows, g.rows...)
		if g.slab != nil {
			warm += len(g.rows)
		}
	}
	began := time.Now()
	logits, err := f.logits(groups, rows)
	took := time.Since(began)
	eng.scheduler.passed(b, f.costs.factoredRow(took, warm, len(rows)-warm))
	f.costs.pass(took, warm, len(rows)-warm)
	for i := range b.groups { // before anybody has an answer, who may then look
		if g := &b.groups[i]; err == nil {
			g.h.ran(len(rows), g.preprocessing(), took)
		}
	}
	for i, x := range rows {
		x.timing.Compute = took
		x.timing.Queue += began.Sub(x.queued) - x.timing.Rebuild
		x.pixels = nil
		switch {
		case err != nil:
			eng.scheduler.finish(x, err)
		case !finite(logits[i]):
			eng.scheduler.finish(x, &rowFault{x.index(), errNotFinite})
		default:
			x.logits = logits[i]
			eng.scheduler.finish(x, nil)
		}
	}
	eng.factored.Add(int64(len(rows) - warm))
	for i := range b.groups {
		if g := &b.groups[i]; g.slab == nil {
			eng.pay(g)
		}
	}
}

// preprocessing is how long the group's rows took to be made.
func (g *group) preprocessing() (took time.Duration) {
	for _, x := range g.rows {
		took += x.timing.Preprocess
	}
	return took
}

// failGroup fails the rows of a group.
func (eng *Engine) failGroup(g *group, err error) {
	for _, x := range g.rows {
		eng.scheduler.finish(x, err)
	}
}

// logits runs rows, whose groups they are in the order of, through a pass of
// their family's model. What it gives is the caller's.
func (f *servedFamily) logits(groups []nn.Group, rows []*row) ([][]float32, error) {
	p := f.Passes.Begin(groups...)
	defer f.Passes.End(p)
	images := rows[0].pixels
	if len(rows) > 1 {
		images = p.Floats(len(rows) * len(images))
		at := images
		for _, x := range rows {
			at = at[copy(at, x.pixels):]
		}
	}
	logits, err := f.Model.Forward(p, images)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(logits))
	for i := range out {
		out[i] = slices.Clone(logits[i])
	}
	return out, nil
}

func finite(v []float32) bool {
	for _, x := range v {
		if x-x != 0 {
			return false
		}
	}
	return true
}
