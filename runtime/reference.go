package runtime

import (
	"slices"

	"eigenserve/models"
	"eigenserve/models/nn"
)

// Export writes a model as a full checkpoint in float32: a folder as Hugging Face saves
// it. The folder must not exist yet, or be empty.
func (eng *Engine) Export(name, dir string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	_, l, err := eng.open(name)
	if err != nil {
		return err
	}
	return l.family.Export(l.variant.Variant, dir)
}

// Reference returns the logits of encoded images as the mathematics defines them: from
// the weights of family.Reference, in one plain forward pass each, without cache or
// batch. Servers' answers are checked against them.
func (eng *Engine) Reference(name string, images [][]byte) ([][]float32, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	h, l, err := eng.ask(name)
	if err != nil {
		return nil, err
	}
	w, err := l.family.Reference(l.variant.Variant)
	if err != nil {
		return nil, damaged(h, err)
	}
	out := make([][]float32, len(images))
	for i, image := range images {
		if out[i], err = l.reference(w, image); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// reference answers one image with weights.
func (l *loaded) reference(w *nn.Weights, image []byte) ([]float32, error) {
	pixels := make([]float32, l.variant.Input.Image.Len())
	_, decode, err := decoding(l.variant.Input.Image, image)()
	if err == nil {
		err = decode(pixels)
	}
	if err != nil {
		return nil, err
	}
	inputs := []models.Input{{Pixels: pixels}}
	p := l.family.Passes.Begin(nn.Group{Spans: models.Spans(l.family.Model, inputs), Weights: w})
	defer l.family.Passes.End(p)
	outputs, err := l.family.Model.Forward(p, inputs)
	if err != nil {
		return nil, err
	}
	return slices.Clone(outputs[0].Logits), nil
}
