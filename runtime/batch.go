package runtime

import (
	"slices"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/sched"
)

// group is the inputs of a batch that one variant answers, and with which weights.
type group struct {
	h      *handle
	l      *loaded
	inputs []*input
	slab   *cache.Lease // nil: they are answered factored
	// If they are answered factored: the variant's decoded coefficients in the cache, or
	// how long decoding them took.
	decoded  *cache.Lease
	decoding time.Duration
}

// groupsOf returns the groups of a batch.
func groupsOf(b *sched.Batch) []*group {
	groups := make([]*group, len(b.Groups))
	for i, g := range b.Groups {
		first := requestOf(g.Inputs[0].Request)
		groups[i] = &group{h: first.h, l: first.l, inputs: make([]*input, len(g.Inputs))}
		for j, in := range g.Inputs {
			groups[i].inputs[j] = &requestOf(in.Request).inputs[in.Index]
		}
		groups[i].slab, _ = g.Lease.(*cache.Lease)
	}
	return groups
}

// answerBatch computes a batch. It finishes every input, even if it panics.
func (eng *Engine) answerBatch(b *sched.Batch) {
	groups := groupsOf(b)
	defer func() {
		if p := recover(); p != nil {
			err := Errorf(Internal, "a forward pass: %w", fault.Recovered(p))
			for _, g := range groups {
				eng.failGroup(g, err)
			}
		}
		for _, g := range groups {
			for _, l := range []*cache.Lease{g.slab, g.decoded} {
				if l != nil {
					l.Release()
				}
			}
		}
	}()
	if sound, weights := eng.bindWeights(groups); len(sound) > 0 {
		eng.forward(b, sound, weights)
	}
}

// bindWeights returns the groups that have weights, and these weights. It fails the inputs
// of the other groups.
func (eng *Engine) bindWeights(groups []*group) (sound []*group, weights []*nn.Weights) {
	for _, g := range groups {
		began := time.Now()
		w, err := eng.weightsOf(g)
		if err != nil {
			eng.failGroup(g, blameModel(g.h, err))
			continue
		}
		took := time.Since(began)
		for _, in := range g.inputs {
			in.timing.Rebuild, in.timing.Weights = took, g.answeredBy()
		}
		sound, weights = append(sound, g), append(weights, w)
	}
	return sound, weights
}

// answeredBy returns the name of the kind of weights that a group has.
func (g *group) answeredBy() string {
	switch {
	case g.slab == nil:
		return WeightsFactored
	case g.slab.Rebuilt():
		return WeightsRebuilt
	}
	return WeightsSlab
}

// forward runs the inputs of groups, which all are of batch b, through their weights, and
// finishes them.
func (eng *Engine) forward(b *sched.Batch, groups []*group, weights []*nn.Weights) {
	f := groups[0].l.family
	var inputs []*input
	warm := 0 // inputs that are answered from slabs
	for _, g := range groups {
		inputs = append(inputs, g.inputs...)
		if g.slab != nil {
			warm += len(g.inputs)
		}
	}
	began := time.Now()
	logits, err := forwardPass(f, nnGroups(groups, weights), inputs)
	took := time.Since(began)
	eng.scheduler.ObserveInput(b, f.costs.factoredInput(took, warm, len(inputs)-warm))
	f.costs.observePass(took, warm, len(inputs)-warm)
	if err == nil {
		for _, g := range groups { // before any input is finished, whose caller may read the statistics
			g.h.recordBatch(len(inputs), g.preprocessing(), took)
		}
	}
	for i, in := range inputs {
		in.timing.Compute = took
		in.timing.Queue += began.Sub(in.Queued) - in.timing.Rebuild
		in.pixels = nil
		switch {
		case err != nil:
			eng.scheduler.Finish(in.Input, err)
		case !finite(logits[i]):
			eng.scheduler.Finish(in.Input, &inputError{in.Index, errNotFinite})
		default:
			in.logits = logits[i]
			eng.scheduler.Finish(in.Input, nil)
		}
	}
	eng.factored.Add(int64(len(inputs) - warm))
	for _, g := range groups {
		if g.slab == nil {
			eng.payRent(g)
		}
	}
}

// nnGroups returns groups with their weights in the words of package nn.
func nnGroups(groups []*group, weights []*nn.Weights) []nn.Group {
	out := make([]nn.Group, len(groups))
	for i, g := range groups {
		out[i] = nn.Group{Spans: spansOf(g.l.family, g.inputs), Weights: weights[i]}
	}
	return out
}

// preprocessing returns how long it took to prepare the group's inputs, in all.
func (g *group) preprocessing() (took time.Duration) {
	for _, in := range g.inputs {
		took += in.timing.Preprocess
	}
	return took
}

// failGroup fails the requests that a group's inputs are part of.
func (eng *Engine) failGroup(g *group, err error) {
	for _, in := range g.inputs {
		eng.scheduler.Finish(in.Input, err)
	}
}

// forwardPass runs inputs, in the order of their groups, through the family's model. It
// returns their logits, which belong to the caller.
func forwardPass(f *servedFamily, groups []nn.Group, inputs []*input) ([][]float32, error) {
	p := f.Passes.Begin(groups...)
	defer f.Passes.End(p)
	read := make([]models.Input, len(inputs))
	for i, in := range inputs {
		read[i].Pixels = in.pixels
	}
	outputs, err := f.Model.Forward(p, read)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(outputs))
	for i := range out {
		out[i] = slices.Clone(outputs[i].Logits)
	}
	return out, nil
}

// spansOf returns the spans of a pass over all rows of the inputs.
func spansOf(f *servedFamily, inputs []*input) []nn.Span {
	spans := make([]nn.Span, len(inputs))
	for i, in := range inputs {
		spans[i].Rows = f.Model.Rows(models.Input{Pixels: in.pixels})
	}
	return spans
}

// finite reports whether all numbers of v are finite.
func finite(v []float32) bool {
	for _, x := range v {
		if x-x != 0 {
			return false
		}
	}
	return true
}
