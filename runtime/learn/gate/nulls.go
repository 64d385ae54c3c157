package gate

import (
	"fmt"

	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// meanOnly returns how the family's mean answers with the original's own head.
func (t *trial) meanOnly() (store.Answers, error) {
	x, err := t.images.meanFeatures(t.readMean)
	if err != nil {
		return store.Answers{}, err
	}
	return t.compare(x, t.head), nil
}

// readMean returns the features of the held-out images under the mean's weights.
func (t *trial) readMean() ([]float32, error) {
	v := new(store.Variant)
	if err := codeMean(v, t.projector.Basis()); err != nil {
		return nil, fmt.Errorf("the mean alone: %w", err)
	}
	w, err := t.family.RebuildShared(t.plan, v, t.slab)
	if err != nil {
		return nil, err
	}
	return t.featuresOf(w, t.heldOut(t.images.input))
}

// random returns how as many random directions answer, coded to the given number of
// bytes. It uses up the coefficients, so no other form can be made after it.
func (t *trial) random(bytes int) (store.Answers, error) {
	read, err := Random(t.projector, t.coefficients, bytes)
	if err != nil {
		return store.Answers{}, err
	}
	x, err := t.denseFeatures(read, t.heldOut(t.images.input))
	if err != nil {
		return store.Answers{}, err
	}
	return t.compare(x, t.head), nil
}

// Random returns the weights that random directions make of coefficients, which it uses
// up, in the given number of bytes.
func Random(p *subspace.Projector, c *subspace.Coefficients, bytes int) (family.ReadFunc, error) {
	null, v, err := p.Random(c, bytes)
	if err != nil {
		return nil, fmt.Errorf("random directions: %w", err)
	}
	return family.Collect(func(put subspace.Put) error { return subspace.Rebuild(null, v, put) })
}
