package gate

import (
	"errors"
	"math"

	"eigenserve/models/output"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// fitHead sets the head of a variant with features x to the one that fits the original's
// logits best, and returns it as it will be decoded. If the head is not to be coded, it
// keeps the original's.
func (t *trial) fitHead(v *store.Variant, x []float32) ([]float32, error) {
	if t.headStep == 0 {
		return t.head, t.keepHead(v)
	}
	width := len(t.head) / t.labels
	head, err := subspace.RefitHead(t.head, t.fitting(x), t.fitting(t.original), t.labels, width)
	if err != nil {
		return nil, err
	}
	return t.codeHead(v, head)
}

// codeHead codes a head into a variant and returns the head as it will be decoded.
func (t *trial) codeHead(v *store.Variant, head []float32) ([]float32, error) {
	code := t.family.Head()
	var err error
	if v.Head, err = code.Encode(head, t.labels, t.headStep); err != nil {
		return nil, err
	}
	v.HeadStep = t.headStep
	return code.Decode(v.Head, t.labels, t.headStep)
}

// keepHead sets the private tensors of a variant to the original's.
func (t *trial) keepHead(v *store.Variant) error {
	for _, p := range t.family.Plan.Private {
		tensor, ok := t.source.Tensor(p.Name)
		if !ok {
			return missingTensor(t.source, p.Name)
		}
		v.Private[p.Name] = tensor
	}
	return nil
}

// headShare is the share of the allowed divergence that coding the head may use. At about
// this share, a byte buys as much in the head as in the coefficients.
const headShare = 1. / 16

// Limits of the steps of the head's code that are tried, in logits.
const coarsestHead, finestHead = 0.5, 1e-4

// chooseHeadStep sets headStep to the coarsest step that hardly changes the answers of
// the original's head, or to 0 if there is none. It runs no pass: the features are known.
func (t *trial) chooseHeadStep(o Options) error {
	if !t.family.CanCodeHead(len(t.head)) {
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
		if t.headPasses(t.compare(t.heldOut(t.features), head), o) {
			t.headStep = Round(t.headStep)
			return nil
		}
	}
	t.headStep = 0
	return nil
}

// headPasses reports whether the answers of the original's head, once coded, are close
// enough to its own. With several labels above one half, or outputs that must all be
// right, the agreement may be what limits a variant. As many answers change as the error
// grows, of which the divergence is the square.
func (t *trial) headPasses(a store.Answers, o Options) bool {
	return a.KL <= headShare*o.MaxKL &&
		(t.task == output.SingleLabel || 1-a.Agreement <= math.Sqrt(headShare)*(1-o.MinAgreement))
}
