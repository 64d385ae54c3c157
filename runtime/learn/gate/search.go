package gate

import (
	"context"
	"errors"
	"math"

	"eigenserve/runtime/fault"
	"eigenserve/store/subspace"
)

// search returns the form that passes in the fewest bytes.
func (t *trial) search(ctx context.Context, o Options) (*form, error) {
	if o.Step > 0 {
		return t.atGivenStep(ctx, o)
	}
	forms := formCache{trial: t, ctx: ctx, known: map[int]*form{}}
	k, err := coarsest(func(k int) (verdict, error) {
		x, err := forms.at(k)
		return o.judge(x), err
	})
	if err != nil {
		return nil, err
	}
	if x := forms.known[k]; x != nil && x.passes(o) && x.bytes() <= o.MaxBytes {
		return t.refine(ctx, o, k, x)
	}
	x, err := forms.finest(o.MaxBytes)
	if err != nil {
		return nil, err
	}
	if x == nil || !o.AllowLossy {
		return nil, t.refuse(x, o)
	}
	x.variant.Fidelity.Lossy = true
	return x, nil
}

// atGivenStep returns the form of the step that the options name.
func (t *trial) atGivenStep(ctx context.Context, o Options) (x *form, err error) {
	if x, err = t.at(o.Step); err == nil && o.Refine {
		x, err = t.refined(ctx, o.Step)
	}
	if errors.Is(err, subspace.ErrStep) {
		err = fault.With(fault.Invalid, err)
	}
	return x, err
}

// judge returns the verdict on the step of a form, nil if the step has none.
func (o Options) judge(x *form) verdict {
	switch {
	case x == nil:
		return searchFiner
	case x.passes(o):
		return byOctaves(min(0, math.Log2(x.answers.KL/o.MaxKL)))
	case x.bytes() > o.MaxBytes: // a finer one would take even more
		return searchCoarser
	case x.answers.KL > o.MaxKL:
		return byOctaves(math.Log2(x.answers.KL / o.MaxKL))
	}
	return searchFiner
}

// formCache makes the forms of steps, each once.
type formCache struct {
	trial *trial
	ctx   context.Context
	known map[int]*form
}

// at returns the form of the k-th step, nil if the step is too fine for the coder.
func (c *formCache) at(k int) (*form, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if x, ok := c.known[k]; ok {
		return x, nil
	}
	x, err := c.trial.at(stepAt(k))
	if errors.Is(err, subspace.ErrStep) {
		x, err = nil, nil
	}
	c.known[k] = x
	return x, err
}

// finest returns the form of the smallest step that fits into so many bytes, nil if
// none does.
func (c *formCache) finest(most int64) (*form, error) {
	large, err := coarsest(func(k int) (verdict, error) { // the coarsest that does not fit
		x, err := c.at(k)
		if x == nil {
			return searchCoarser, err
		}
		return byOctaves(math.Log2((float64(most) + 1) / float64(x.bytes()))), nil
	})
	if err != nil || large >= maxStep {
		return nil, err
	}
	return c.at(large + 1)
}

// refine looks for a form at a step above the k-th that passes once it is refined, and
// returns x, the form of the k-th, if there is none. Refinement gains about half an
// octave.
func (t *trial) refine(ctx context.Context, o Options, k int, x *form) (*form, error) {
	if !o.Refine {
		return x, nil
	}
	for stride, at := perOctave/4, k+perOctave/2; stride > 0; stride /= 2 {
		next, err := t.refined(ctx, stepAt(at))
		if err != nil && !errors.Is(err, subspace.ErrNotFinite) {
			return nil, err
		}
		if err == nil && next.passes(o) && next.bytes() < x.bytes() {
			x = next
			at += stride
		} else {
			at -= stride
		}
	}
	return x, nil
}
