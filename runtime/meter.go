package runtime

import (
	"context"

	"eigenserve/models/nn"
	"eigenserve/store"
)

// Meter runs the parts of some variants' inference by themselves, for
// measurement. The variants are of one family and have no exact tensors. It is
// done with before the engine closes.
type Meter struct {
	eng      *Engine
	family   *family
	variants []*store.Variant
	slabs    [][]float32
	weights  []*nn.Weights
}

// NewMeter prepares the variants.
func (eng *Engine) NewMeter(names ...string) (*Meter, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	m := &Meter{eng: eng}
	for _, name := range names {
		_, l, err := eng.open(name)
		if err != nil {
			return nil, err
		}
		if m.family == nil {
			m.family = l.family
		}
		if l.family != m.family || !l.factorable() {
			return nil, Errorf(Invalid, "model %q is of another family than %q, or has exact tensors", name, names[0])
		}
		m.variants = append(m.variants, l.variant)
	}
	return m, m.Rebuild(1)
}

// Variants is how many the meter has.
func (m *Meter) Variants() int { return len(m.variants) }

// Rebuild fills the slabs of the first n variants from their coefficients,
// decoding included; more than one are rebuilt together.
func (m *Meter) Rebuild(n int) error {
	for len(m.slabs) < n {
		m.slabs = append(m.slabs, make([]float32, m.family.plan.SlabLen()))
	}
	if n == 1 {
		w, err := m.family.rebuild(m.variants[0], m.slabs[0])
		m.weights = []*nn.Weights{w}
		return err
	}
	w, err := m.family.rebuildSeveral(m.variants[:n], m.slabs[:n])
	m.weights = w
	return err
}

// Forward answers n images of the right size with the first variant's rebuilt
// weights; what is in them makes no difference to the time.
func (m *Meter) Forward(images []float32, n int) error {
	return m.forward(images, nn.Group{Images: n, Weights: m.weights[0]})
}

// Factored decodes the first n variants and answers one image by each, in one
// batch, with nothing rebuilt.
func (m *Meter) Factored(images []float32, n int) error {
	groups := make([]nn.Group, n)
	for i, v := range m.variants[:n] {
		w, err := m.family.factor(v)
		if err != nil {
			return err
		}
		groups[i] = nn.Group{Images: 1, Weights: w}
	}
	return m.forward(images, groups...)
}

// RebuildEach answers one image by each of the first n variants, one after the
// other, rebuilding each before: what Factored is measured against.
func (m *Meter) RebuildEach(images []float32, n int) error {
	size := len(images) / n
	for i, v := range m.variants[:n] {
		w, err := m.family.rebuild(v, m.slabs[0])
		if err != nil {
			return err
		}
		if err := m.forward(images[i*size:(i+1)*size], nn.Group{Images: 1, Weights: w}); err != nil {
			return err
		}
	}
	return nil
}

func (m *Meter) forward(images []float32, groups ...nn.Group) error {
	p := m.family.passes.Begin(groups...)
	defer m.family.passes.End(p)
	_, err := m.family.model.Forward(p, images)
	return err
}

// Classify asks the engine for the first variant as a request does; with cold,
// after its weights left the cache.
func (m *Meter) Classify(ctx context.Context, image []byte, cold bool) (Answer, error) {
	if cold {
		m.eng.cache.drop(m.variants[0].Digest)
	}
	return m.eng.Classify(ctx, m.variants[0].Name, image, ClassifyOptions{})
}

// Cost is what rebuilding the first n variants together must do at least: the
// bytes that are read of the means and written to the slabs, and the operations
// of the products, for the right directions that each variant uses.
func (m *Meter) Cost(n int) (bytes, operations int64, err error) {
	bytes = m.family.slabs.bytes * int64(n)
	for k := range m.family.layers {
		bytes += 2 * int64(len(m.family.layers[k].Mean))
	}
	for _, v := range m.variants[:n] {
		w, err := m.family.factor(v)
		if err != nil {
			return 0, 0, err
		}
		for k := range m.family.layers {
			l := &m.family.layers[k]
			operations += 2 * int64(l.M) * int64(l.N) * int64(len(w.Factored.Cores[k].Rights))
		}
	}
	return bytes, operations, nil
}

// Input is the size of one image of the family's models.
func (m *Meter) Input() Input { return inputOf(m.family.model) }

// Directions is the most that a layer of the family has on a side.
func (m *Meter) Directions() int { return m.family.basis.MaxDirections() }
