package gate

import (
	"fmt"

	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// meanOnly compares the answers of the family's mean, with the original's head.
func (t *trial) meanOnly() (store.Answers, error) {
	x, err := t.images.meanFeatures(t.computeMean)
	if err != nil {
		return store.Answers{}, err
	}
	return t.compare(x, t.head), nil
}

// computeMean computes the features of the held-out images under the family's mean.
func (t *trial) computeMean() ([]float32, error) {
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

// randomDirections compares the answers of as many random directions, coded in the given
// number of bytes. It overwrites the coefficients, so no candidate can be made after it.
func (t *trial) randomDirections(bytes int) (store.Answers, error) {
	read, err := RandomDirections(t.projector, t.coefficients, bytes)
	if err != nil {
		return store.Answers{}, err
	}
	x, err := t.denseFeatures(read, t.heldOut(t.images.input))
	if err != nil {
		return store.Answers{}, err
	}
	return t.compare(x, t.head), nil
}

// RandomDirections returns the weights of a null model: coefficients over as many random
// directions, coded in the given number of bytes. It overwrites c.
func RandomDirections(p *subspace.Projector, c *subspace.Coefficients, bytes int) (family.ReadFunc, error) {
	null, v, err := p.Random(c, bytes)
	if err != nil {
		return nil, fmt.Errorf("random directions: %w", err)
	}
	return family.Collect(func(put subspace.Put) error { return subspace.Rebuild(null, v, put) })
}
