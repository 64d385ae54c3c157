package runtime

import (
	"context"
	"slices"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
)

// Reference returns the logits of image files as the mathematics defines them: from the
// weights of family.Reference, in one plain forward pass each, without cache or batch.
// Servers' answers are checked against them.
func (eng *Engine) Reference(ref string, images [][]byte) ([][]float32, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	h, l, err := eng.openForRequest(ref)
	if err != nil {
		return nil, err
	}
	w, err := l.family.Reference(l.variant.Variant)
	if err != nil {
		return nil, blameModel(h, err)
	}
	out := make([][]float32, len(images))
	for i, image := range images {
		if out[i], err = l.answer(w, image); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// answer returns the logits of one image under weights.
func (l *loaded) answer(w *nn.Weights, image []byte) ([]float32, error) {
	spec := l.variant.Input.Image
	pixels := make([]float32, spec.Len())
	_, decode, err := decoding(spec, image)()
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

// Meter runs the parts of some variants' inference separately, so that they can be
// timed. The variants are of one family and have no exact tensors. A meter must not be
// used after the engine is closed.
type Meter struct {
	eng      *Engine
	family   *servedFamily
	variants []*store.Variant
	slabs    [][]float32
	weights  []*nn.Weights
}

// NewMeter prepares variants.
func (eng *Engine) NewMeter(refs ...string) (*Meter, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	m := &Meter{eng: eng}
	for _, ref := range refs {
		_, l, err := eng.open(ref)
		if err != nil {
			return nil, err
		}
		if m.family == nil {
			m.family = l.family
		}
		if l.family != m.family || !l.family.Factorable(l.variant.Variant) {
			return nil, Errorf(Invalid, "model %q is of another family than %q, or has exact tensors", ref, refs[0])
		}
		m.variants = append(m.variants, l.variant.Variant)
	}
	return m, m.Rebuild(1)
}

// Variants returns the number of variants.
func (m *Meter) Variants() int { return len(m.variants) }

// Input returns the size of one image.
func (m *Meter) Input() Input { return inputOf(m.family.Model) }

// Directions returns the largest number of directions a side of the family's layers.
func (m *Meter) Directions() int { return m.family.Basis.MaxDirections() }

// Rebuild fills the slabs of the first n variants from their coefficients, including
// decoding. More than one are rebuilt together.
func (m *Meter) Rebuild(n int) error {
	for len(m.slabs) < n {
		m.slabs = append(m.slabs, make([]float32, m.family.Plan.SlabLen()))
	}
	if n == 1 {
		w, err := m.family.rebuild(m.variants[0], m.slabs[0])
		m.weights = []*nn.Weights{w}
		return err
	}
	w, err := m.family.RebuildTogether(m.variants[:n], m.slabs[:n])
	m.weights = w
	return err
}

// Forward answers n images, (n, channels, height, width), with the first variant's
// rebuilt weights. The pixel values make no difference to the time.
func (m *Meter) Forward(images []float32, n int) error {
	return m.forward(images, nn.Group{Spans: m.spans(n), Weights: m.weights[0]})
}

// Factored decodes the first n variants and answers one image by each, in one batch
// without a rebuild.
func (m *Meter) Factored(images []float32, n int) error {
	groups := make([]nn.Group, n)
	for i, v := range m.variants[:n] {
		w, err := m.family.Factor(v)
		if err != nil {
			return err
		}
		groups[i] = nn.Group{Spans: m.spans(1), Weights: w}
	}
	return m.forward(images, groups...)
}

// RebuildEach answers one image by each of the first n variants, one after the other,
// and rebuilds each before. Factored is compared with it.
func (m *Meter) RebuildEach(images []float32, n int) error {
	size := len(images) / n
	for i, v := range m.variants[:n] {
		w, err := m.family.rebuild(v, m.slabs[0])
		if err != nil {
			return err
		}
		if err := m.forward(images[i*size:(i+1)*size], nn.Group{Spans: m.spans(1), Weights: w}); err != nil {
			return err
		}
	}
	return nil
}

// spans returns the spans of n images.
func (m *Meter) spans(n int) []nn.Span { return nn.Spans(n, m.family.Model.Rows(models.Input{})) }

func (m *Meter) forward(images []float32, groups ...nn.Group) error {
	p := m.family.Passes.Begin(groups...)
	defer m.family.Passes.End(p)
	_, err := m.family.Model.Forward(p, models.Images(m.family.Model, images))
	return err
}

// Classify asks the engine for the first variant, as a request does. With cold, its
// weights are first dropped from the cache.
func (m *Meter) Classify(ctx context.Context, image []byte, cold bool) (Answer, error) {
	if cold {
		m.eng.cache.Drop(m.variants[0].Digest)
	}
	return m.eng.Classify(ctx, m.variants[0].Name, image, ClassifyOptions{})
}

// Cost returns the least that rebuilding the first n variants together must do: the bytes
// that are read of the means and written to the slabs, and the operations of the
// products, for the right directions that each variant uses.
func (m *Meter) Cost(n int) (bytes, operations int64, err error) {
	layers := m.family.Layers()
	bytes = m.family.slabs.SlabBytes() * int64(n)
	for k := range layers {
		bytes += 2 * int64(len(layers[k].Mean))
	}
	for _, v := range m.variants[:n] {
		w, err := m.family.Factor(v)
		if err != nil {
			return 0, 0, err
		}
		for k := range layers {
			l := &layers[k]
			operations += 2 * int64(l.M) * int64(l.N) * int64(len(w.Factored.Cores[k].Rights))
		}
	}
	return bytes, operations, nil
}
