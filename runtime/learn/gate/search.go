package gate

import (
	"context"
	"errors"
	"math"

	"eigenserve/runtime/fault"
	"eigenserve/store/subspace"
)

// search returns the candidate that passes in the fewest bytes.
func (t *trial) search(ctx context.Context, o Options) (*candidate, error) {
	if o.Step > 0 {
		return t.atGivenStep(ctx, o)
	}
	candidates := candidateCache{trial: t, ctx: ctx, known: map[int]*candidate{}}
	k, err := coarsest(func(k int) (verdict, error) {
		x, err := candidates.at(k)
		return o.verdict(x), err
	})
	if err != nil {
		return nil, err
	}
	if x := candidates.known[k]; x != nil && x.passes(o) && x.bytes() <= o.MaxBytes {
		return t.refine(ctx, o, k, x)
	}
	x, err := candidates.finest(o.MaxBytes)
	if err != nil {
		return nil, err
	}
	if x == nil || !o.AllowLossy {
		return nil, t.refusal(x, o)
	}
	x.variant.Fidelity.Lossy = true
	return x, nil
}

// atGivenStep returns the candidate at the step that the options name.
func (t *trial) atGivenStep(ctx context.Context, o Options) (x *candidate, err error) {
	if x, err = t.candidate(o.Step); err == nil && o.Refine {
		x, err = t.refinedCandidate(ctx, o.Step)
	}
	if errors.Is(err, subspace.ErrStep) {
		err = fault.With(fault.Invalid, err)
	}
	return x, err
}

// verdict returns the verdict on the step of a candidate, nil if the step has none.
func (o Options) verdict(x *candidate) verdict {
	switch {
	case x == nil:
		return searchFiner
	case x.passes(o):
		return byOctaves(min(0, math.Log2(x.answers.KL/o.MaxKL)))
	case x.bytes() > o.MaxBytes: // a finer step would take even more
		return searchCoarser
	case x.answers.KL > o.MaxKL:
		return byOctaves(math.Log2(x.answers.KL / o.MaxKL))
	}
	return searchFiner
}

// candidateCache makes the candidates of the search's steps, each once.
type candidateCache struct {
	trial *trial
	ctx   context.Context
	known map[int]*candidate
}

// at returns the candidate at the k-th step, nil if the step is too fine for the coder.
func (c *candidateCache) at(k int) (*candidate, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if x, ok := c.known[k]; ok {
		return x, nil
	}
	x, err := c.trial.candidate(stepAt(k))
	if errors.Is(err, subspace.ErrStep) {
		x, err = nil, nil
	}
	c.known[k] = x
	return x, err
}

// finest returns the candidate at the smallest step that fits in maxBytes, nil if none
// does.
func (c *candidateCache) finest(maxBytes int64) (*candidate, error) {
	large, err := coarsest(func(k int) (verdict, error) { // the coarsest that does not fit
		x, err := c.at(k)
		if x == nil {
			return searchCoarser, err
		}
		return byOctaves(math.Log2((float64(maxBytes) + 1) / float64(x.bytes()))), nil
	})
	if err != nil || large >= maxStep {
		return nil, err
	}
	return c.at(large + 1)
}

// refine searches for a refined candidate at a step above the k-th that passes in fewer
// bytes than x, the candidate at the k-th step. It returns x if there is none. Refinement
// gains about half an octave.
func (t *trial) refine(ctx context.Context, o Options, k int, x *candidate) (*candidate, error) {
	if !o.Refine {
		return x, nil
	}
	for stride, at := perOctave/4, k+perOctave/2; stride > 0; stride /= 2 {
		next, err := t.refinedCandidate(ctx, stepAt(at))
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
