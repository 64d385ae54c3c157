package runtime

import (
	"context"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Meter runs the parts of one variant's inference by themselves, for
// measurement. It is done with before the engine closes.
type Meter struct {
	eng    *Engine
	name   string
	family *family
	v      *store.Variant
	slab   []float32
	w      *nn.Weights
}

// NewMeter prepares a variant.
func (eng *Engine) NewMeter(name string) (*Meter, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	_, l, err := eng.open(name)
	if err != nil {
		return nil, err
	}
	m := &Meter{eng: eng, name: name, family: l.family, v: l.variant, slab: make([]float32, l.family.plan.SlabLen())}
	return m, m.Rebuild()
}

// Rebuild fills the meter's own slab from the coefficients, as a miss does.
func (m *Meter) Rebuild() (err error) {
	m.w, err = m.family.rebuild(m.v, m.slab)
	return err
}

// Forward answers n images of the right size with the rebuilt weights; what is
// in them makes no difference to the time.
func (m *Meter) Forward(images []float32, n int) error {
	p := m.family.passes.Begin(nn.Group{Images: n, Weights: m.w})
	defer m.family.passes.End(p)
	_, err := m.family.model.Forward(p, images)
	return err
}

// Classify asks the engine as a request does; with cold, after the variant's
// weights left the cache.
func (m *Meter) Classify(ctx context.Context, image []byte, cold bool) (Answer, error) {
	if cold {
		m.eng.cache.drop(m.v.Digest)
	}
	return m.eng.Classify(ctx, m.name, image, ClassifyOptions{})
}

// Cost is what a rebuild must do at least: the bytes that it reads of the basis
// and writes to the slab, and the operations of its matmuls.
func (m *Meter) Cost() (bytes, operations int64) {
	for i := range m.family.layers {
		l := &m.family.layers[i]
		bytes += 2*int64(len(l.Mean)) + 4*int64(kernel.PackedLen(l.M, l.N))
		operations += 2 * int64(l.M) * int64(l.N) * int64(min(l.P, l.Q))
	}
	return bytes, operations
}

// Input is the size of one image of the family's models.
func (m *Meter) Input() Input { return inputOf(m.family.model) }
