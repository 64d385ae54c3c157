package runtime

import (
	"context"
	"errors"
	"math"

	"eigenserve/models"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// pass gives the smallest form of a checkpoint that passes a gate, with its
// report, or refuses it.
func (f *family) pass(ctx context.Context, s source, m models.Model, g Gate, workers int) (*store.Variant, error) {
	p, err := f.project()
	if err != nil {
		return nil, err
	}
	defer p.done()
	if g.Exact {
		return f.exact(s, p.Projector)
	}
	images, err := f.gateImages(m, s)
	if err != nil {
		return nil, err
	}
	t, err := f.newTrial(p.Projector, s, m, images, workers)
	if err != nil {
		return nil, err
	}
	g = g.withDefaults(f.denseWith(t.labels)/2, f.basis.Divergence, leniency(t.head, t.labels, f.plan.Heads()[0].Inputs))
	if err := t.chooseHead(g); err != nil {
		return nil, err
	}
	x, err := t.search(ctx, g)
	if err != nil {
		return nil, err
	}
	return x.variant, t.report(x, g)
}

// search finds the form that a gate lets pass.
func (t *trial) search(ctx context.Context, g Gate) (*form, error) {
	if g.Step > 0 {
		x, err := t.at(g.Step)
		if g.Refine && err == nil {
			x, err = t.refined(ctx, g.Step)
		}
		if errors.Is(err, subspace.ErrStep) {
			err = &Error{Code: Invalid, Text: err.Error(), Err: err}
		}
		return x, err
	}
	forms := map[int]*form{}
	try := func(k int) (*form, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if x, ok := forms[k]; ok {
			return x, nil
		}
		x, err := t.at(stepAt(k))
		if errors.Is(err, subspace.ErrStep) {
			x, err = nil, nil // too fine for the coder
		}
		forms[k] = x
		return x, err
	}
	k, ok, err := largestStep(func(k int) (float64, error) {
		x, err := try(k)
		switch {
		case x == nil:
			return math.Inf(1), err
		case x.answers.Passes(g.MinAgreement, g.MaxKL):
			return min(0, math.Log2(x.answers.KL/g.MaxKL)), nil
		case x.bytes() > g.MaxBytes: // it isn't looked at any finer
			return math.Inf(-1), nil
		case x.answers.KL > g.MaxKL:
			return math.Log2(x.answers.KL / g.MaxKL), nil
		}
		return math.Inf(1), nil
	})
	if err != nil {
		return nil, err
	}
	if x := forms[k]; ok && x != nil && x.bytes() <= g.MaxBytes && x.answers.Passes(g.MinAgreement, g.MaxKL) {
		return t.refine(ctx, g, k, x)
	}
	x, err := t.finest(g, try)
	if err != nil {
		return nil, err
	}
	if x == nil || !g.AllowLossy {
		return nil, t.refuse(x, g)
	}
	x.variant.Fidelity.Lossy = true
	return x, nil
}

// refine looks for a form at a step above the k-th, which passes as x does, that
// passes when it is refined. What a refinement yields is about half an octave.
func (t *trial) refine(ctx context.Context, g Gate, k int, x *form) (*form, error) {
	if !g.Refine {
		return x, nil
	}
	for stride, at := perOctave/4, k+perOctave/2; stride > 0; stride /= 2 {
		next, err := t.refined(ctx, stepAt(at))
		if err != nil {
			return nil, err
		}
		if next.answers.Passes(g.MinAgreement, g.MaxKL) && next.bytes() < x.bytes() {
			x = next
			at += stride
		} else {
			at -= stride
		}
	}
	return x, nil
}

// finest gives the form of the smallest step that fits a gate's bytes; nil where
// none does.
func (t *trial) finest(g Gate, try func(k int) (*form, error)) (*form, error) {
	large, _, err := largestStep(func(k int) (float64, error) {
		x, err := try(k)
		if x == nil {
			return math.Inf(-1), err
		}
		return math.Log2((float64(g.MaxBytes) + 1) / float64(x.bytes())), nil // a byte more is one too many
	})
	if err != nil || large >= mostSteps {
		return nil, err
	}
	return try(large + 1)
}

// bytes is what a form takes, what its file says of itself aside.
func (x *form) bytes() int64 {
	n := len(x.variant.Coefficients) + len(x.variant.Gains) + len(x.variant.Head)
	for _, t := range x.variant.Private {
		n += len(t.Data)
	}
	return int64(n)
}

// refuse says in one line what a checkpoint would have kept.
func (t *trial) refuse(x *form, g Gate) error {
	if x == nil {
		return Errorf(Refused, "checkpoint %q can't be stored in %d bytes at any step; raise --variant-budget", t.source.Name(), g.MaxBytes)
	}
	return Errorf(Refused, "checkpoint %q is refused: the finest form within %d bytes (step %.3g) keeps %.2f%% of its best labels on %d images, with a mean KL divergence of %.3g; "+
		"asked for are %.2f%% and %.3g. Raise --variant-budget, or store it as it is with --allow-lossy or --exact",
		t.source.Name(), g.MaxBytes, x.variant.Fidelity.Step, 100*x.answers.Agreement, t.images.judged, x.answers.KL, 100*max(0, g.MinAgreement), g.MaxKL)
}

// report writes what was measured into a form's variant.
func (t *trial) report(x *form, g Gate) error {
	mean, err := t.meanOnly()
	if err != nil {
		return err
	}
	random, err := t.random(len(x.variant.Coefficients))
	if err != nil {
		return err
	}
	for _, v := range []float64{x.answers.KL, x.answers.Logit, mean.KL, mean.Logit, random.KL, random.Logit} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Errorf(Refused, "checkpoint %q is refused: at step %g it answers probe images with no finite numbers", t.source.Name(), x.variant.Fidelity.Step)
		}
	}
	r := &store.Measured{Answers: x.answers, Probes: t.family.probesName(), Images: t.images.judged, Mean: mean, Random: &random}
	r.AtLeast = digits(store.Lower(r.Agreement, r.Images))
	if g.Step == 0 {
		r.MinAgreement, r.MaxKL = max(0, g.MinAgreement), g.MaxKL
	}
	x.variant.Fidelity.Measured = r
	return nil
}

// exact keeps every tensor as it came, beside coefficients that are all zero.
func (f *family) exact(s source, p *subspace.Projector) (*store.Variant, error) {
	v := &store.Variant{Step: 1, Private: map[string]tensorfile.Tensor{}, Exact: map[string]tensorfile.Tensor{}}
	layers, vectors := zeros(p.Basis())
	if err := subspace.Code(v, p.Basis(), layers, vectors); err != nil {
		return nil, err
	}
	v.Fidelity.Energy, v.Fidelity.Bytes.Coefficients = 1, int64(len(v.Coefficients)+len(v.Gains))
	for _, spec := range f.plan.Specs() {
		t, ok := s.Tensor(spec.Name)
		if !ok {
			return nil, Errorf(Invalid, "checkpoint %q: tensor %q is missing", s.Name(), spec.Name)
		}
		v.Exact[spec.Name] = t
	}
	for _, private := range f.plan.Private {
		v.Private[private.Name] = v.Exact[private.Name]
		delete(v.Exact, private.Name)
	}
	return v, nil
}

// zeros are the coefficients of the mean.
func zeros(b *store.Basis) (layers, vectors [][]int32) {
	for i := range b.Layers {
		p, q := b.Layers[i].Directions()
		layers = append(layers, make([]int32, p*q))
	}
	for i := range b.Vectors {
		vectors = append(vectors, make([]int32, b.Vectors[i].Len()))
	}
	return layers, vectors
}

// gateImages gives the images for a checkpoint: the family's, or where it
// preprocesses in another way its own.
func (f *family) gateImages(m models.Model, s source) (*gateImages, error) {
	probes := func(m models.Model) (*gateImages, error) {
		p, err := f.probes()
		if err != nil {
			return nil, storeError(err)
		}
		return newGateImages(p, m, m.Pixels())
	}
	if !sameJSON(s.Preprocessor, f.basis.Preprocessor) {
		return probes(m)
	}
	f.gating.Lock()
	defer f.gating.Unlock()
	if f.images == nil {
		images, err := probes(f.model)
		if err != nil {
			return nil, err
		}
		f.images = images
	}
	return f.images, nil
}

// probesName is what reports call the family's probes.
func (f *family) probesName() string {
	if f.basis.Probes == "" {
		return store.BuiltInProbes
	}
	return f.basis.Probes
}
