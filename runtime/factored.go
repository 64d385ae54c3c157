package runtime

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/code"
	"eigenserve/store/subspace"
)

// factorable tells whether a variant can be answered without a rebuild: one
// with exact tensors of layers has weights that no core gives.
func (l *loaded) factorable() bool {
	for i := range l.family.basis.Layers {
		layer := &l.family.basis.Layers[i]
		for _, part := range layer.Parts {
			_, weight := l.variant.Exact[part+".weight"]
			_, bias := l.variant.Exact[part+".bias"]
			if weight || bias {
				return false
			}
		}
	}
	return true
}

// factor decodes a variant into weights that are answered straight from the
// basis: its cores, vectors and heads.
func (f *family) factor(v *store.Variant) (*nn.Weights, error) {
	w := &nn.Weights{Vectors: make([][]float32, len(f.basis.Vectors)),
		Factored: &nn.Factored{Basis: f.layers, Cores: make([]kernel.Core, len(f.layers)), Precision: f.plan.Precision()}}
	err := subspace.Visit(f.basis, v, func(i int, c *code.Sparse) error {
		w.Factored.Cores[i] = kernel.Core{Rights: slices.Clone(c.Rights), Starts: slices.Clone(c.Starts),
			Lefts: slices.Clone(c.Lefts), Values: appendValues(make([]float32, 0, len(c.Q)), c.Q, v.Step)}
		return nil
	}, func(i int, q []int32) error {
		w.Vectors[i] = make([]float32, len(q))
		return f.vector(w.Vectors[i], v, i, q)
	})
	if err != nil {
		return nil, err
	}
	return w, f.bindHeads(w, v)
}

// quickest answers from rebuilt weights if they are there, else without. It
// waits for no slab and no rebuild.
func (eng *Engine) quickest(h *handle, l *loaded, pixels []float32, t Timing) ([]float32, Timing, error) {
	began := time.Now()
	if lease := eng.cache.ready(h.entry.Digest); lease != nil {
		defer lease.release()
		h.hits.Add(1)
		logits, err := l.family.forward(lease.value().(*nn.Weights), pixels)
		if err != nil {
			return nil, t, damaged(h, err)
		}
		t.Compute = time.Since(began)
		l.family.costs.warm.observe(t.Compute)
		return logits, t, nil
	}
	w, err := l.family.factor(l.variant)
	if err != nil {
		return nil, t, damaged(h, err)
	}
	t.Rebuild = time.Since(began)
	began = time.Now()
	logits, err := l.family.forward(w, pixels)
	if err != nil {
		return nil, t, damaged(h, err)
	}
	t.Compute = time.Since(began)
	eng.factored.Add(1)
	eng.pay(h, l, t.Rebuild+t.Compute)
	return logits, t, nil
}

// pay adds to a variant's rent what a factored answer took longer than one from
// rebuilt weights, and has it rebuilt when that comes to the price of a rebuild:
// so the two together never cost more than twice what knowing the future would
// have (Karlin, Manasse, Rudolph, Sleator 1988). All three are measured as the
// family is served; before its first rebuild the price is not known, and one
// request is enough.
func (eng *Engine) pay(h *handle, l *loaded, took time.Duration) {
	c := &l.family.costs
	rent := max(took-c.warm.mean(), took/8)
	if time.Duration(h.rent.Add(int64(rent))) < c.rebuild.mean() {
		return
	}
	select {
	case eng.promoting <- struct{}{}:
	default:
		return // another is on its way; the next request asks again
	}
	if eng.enter() != nil {
		<-eng.promoting
		return
	}
	go func() {
		defer eng.leave()
		defer func() { <-eng.promoting }()
		eng.promote(h, l)
	}()
}

// promote rebuilds a variant's weights into the cache. What fails here would
// fail the next time too and is told to whoever asks for a rebuild; the variant
// goes on being answered without.
func (eng *Engine) promote(h *handle, l *loaded) {
	h.rent.Store(0)
	began := time.Now()
	lease, err := eng.lease(context.Background(), h, l)
	if err != nil {
		return
	}
	defer lease.release()
	if lease.rebuilt {
		l.family.costs.rebuild.observe(time.Since(began))
		h.rebuilds.Add(1)
	}
}

// costs are what one image of a family takes, as measured.
type costs struct {
	warm    average // a forward pass with rebuilt weights
	rebuild average
}

// average follows a duration: each new one counts an eighth.
type average struct{ nanoseconds atomic.Int64 }

func (a *average) observe(d time.Duration) {
	old := a.nanoseconds.Load()
	if old == 0 {
		a.nanoseconds.Store(int64(d))
		return
	}
	a.nanoseconds.Store(old + (int64(d)-old)/8)
}

func (a *average) mean() time.Duration { return time.Duration(a.nanoseconds.Load()) }
