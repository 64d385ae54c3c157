package eval

import (
	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

// answerer answers the same images with different weights. Dense weights have the
// original's head, rebuilt weights the variant's.
type answerer struct {
	family *family.Family
	source family.Source
	input  []float32 // (images, channels, height, width)
	slab   []float32
}

// dense returns the best label of each image under dense weights.
func (a *answerer) dense(read family.ReadFunc) ([]int, error) {
	w, err := family.LoadDense(a.family.Plan, read, a.slab)
	if err != nil {
		return nil, err
	}
	if err := a.family.Plan.BindPrivate(w, a.source.ReadPrivate); err != nil {
		return nil, err
	}
	return a.answer(w)
}

// rebuilt returns the best label of each image under a variant's weights, rebuilt as a
// server does.
func (a *answerer) rebuilt(v *store.Variant) ([]int, error) {
	w, err := a.family.Rebuild(v, a.slab)
	if err != nil {
		return nil, err
	}
	return a.answer(w)
}

// answer returns the best label of each image.
func (a *answerer) answer(w *nn.Weights) ([]int, error) {
	const batch = 16
	images := models.Images(a.family.Model, a.input)
	out := make([]int, 0, len(images))
	for at := 0; at < len(images); at += batch {
		labels, err := a.batch(w, images[at:min(at+batch, len(images))])
		if err != nil {
			return nil, err
		}
		out = append(out, labels...)
	}
	return out, nil
}

// batch returns the best label of each image of a batch.
func (a *answerer) batch(w *nn.Weights, images []models.Input) (labels []int, err error) {
	p := a.family.Passes.Begin(nn.Group{Spans: models.Spans(a.family.Model, images), Weights: w})
	defer a.family.Passes.End(p)
	outputs, err := a.family.Model.Forward(p, images)
	for _, o := range outputs {
		labels = append(labels, gate.Argmax(o.Logits))
	}
	return labels, err
}
