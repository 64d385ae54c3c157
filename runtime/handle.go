package runtime

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/models"
	"eigenserve/models/image"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// handle is one version of a name: at rest an entry of the catalogue, after its
// first use what answering needs as well. A replaced variant gets a new handle,
// so whoever holds one goes on with the weights that it began with.
type handle struct {
	entry store.Entry

	mu     sync.Mutex // held while the variant is read, so that it is read once
	loaded atomic.Pointer[loaded]
	pinned atomic.Pointer[lease]
	tally  atomic.Pointer[tally]
	// gone is set once no name leads to the handle any more, before its weights
	// are dropped from the cache.
	gone atomic.Bool

	requests, hits, rebuilds atomic.Int64
	// rent is what its requests have paid, in nanoseconds, since its weights were
	// last rebuilt, for being answered without.
	rent atomic.Int64
}

func newHandle(e store.Entry) *handle { return &handle{entry: e} }

// loaded is what of a variant stays in memory. It does not change.
type loaded struct {
	family  *family
	variant *store.Variant
	pixels  image.Spec
	// What the variant takes in bytes, and what its packed head will.
	coefficients, private, head int64
}

// wanted is what the variant's weights take and save. A request for a variant that
// can't be answered without them would wait for a rebuild.
func (l *loaded) wanted() wanted {
	c := &l.family.costs
	saves := func() time.Duration { return c.saving(1, 0) }
	if !l.factorable() {
		saves = c.rebuild.mean
	}
	return wanted{digest: l.variant.Digest, pool: l.family.slabs, extra: l.head, saves: saves}
}

// open gives the handle that a reference stands for, to look at, with what
// answering needs.
func (eng *Engine) open(ref string) (*handle, *loaded, error) {
	return eng.opening(func() (*handle, error) { return eng.find(ref) })
}

// ask is open for a request to answer: an alias's targets take turns, and what was
// unloaded is refused.
func (eng *Engine) ask(ref string) (*handle, *loaded, error) {
	return eng.opening(func() (*handle, error) { return eng.served(eng.resolve(ref, weighted)) })
}

func (eng *Engine) opening(find func() (*handle, error)) (*handle, *loaded, error) {
	for {
		h, err := find()
		if err != nil {
			return nil, nil, err
		}
		l, err := eng.load(h)
		if !errors.Is(err, store.ErrNotFound) {
			return h, l, err
		}
		// Its file is gone. If it was replaced or deleted since it was found,
		// here or by another process, that change is on its way to the handles.
		if eng.settle(h) {
			return nil, nil, &Error{Code: Damaged, Text: fmt.Sprintf("model %q: %v", h.entry.Name, err), Err: err}
		}
	}
}

// load reads a variant's coefficients at the first use.
func (eng *Engine) load(h *handle) (*loaded, error) {
	if l := h.loaded.Load(); l != nil {
		return l, nil
	}
	f, err := eng.family(h.entry.Basis)
	if err != nil {
		return nil, stored(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.loaded.Load(); l != nil {
		return l, nil
	}
	v, err := eng.store.ReadVariant(h.entry.Digest)
	if err != nil {
		return nil, stored(storeError(err))
	}
	l, err := f.keep(v)
	if err != nil {
		return nil, stored(err)
	}
	h.loaded.Store(l)
	return l, nil
}

// stored says of what a request would be blamed for that a file of the store is
// at fault: a request chose nothing but its name.
func stored(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Code == Invalid || e.Code == Conflict) {
		return &Error{Code: Damaged, Text: e.Text, Err: err}
	}
	return err
}

// keep copies of a variant what answering needs, so that the file's buffer can
// go.
func (f *family) keep(v *store.Variant) (*loaded, error) {
	if err := v.CheckBasis(f.basis); err != nil {
		return nil, storeError(err)
	}
	spec, err := f.pixels(v)
	if err != nil {
		return nil, storeError(err)
	}
	l := &loaded{family: f, pixels: spec, head: f.headBytes(v), variant: &store.Variant{
		Name: v.Name, Family: v.Family, Basis: v.Basis, Digest: v.Digest,
		Step: v.Step, Labels: v.Labels, Preprocessor: own(v.Preprocessor),
		Gains: own(v.Gains), Coefficients: own(v.Coefficients),
		Head: own(v.Head), HeadStep: v.HeadStep, Private: ownTensors(v.Private), Exact: ownTensors(v.Exact)}}
	l.coefficients = int64(len(v.Coefficients) + len(v.Gains))
	l.private = int64(len(v.Head))
	for _, m := range []map[string]tensorfile.Tensor{v.Private, v.Exact} {
		for _, t := range m {
			l.private += int64(len(t.Data))
		}
	}
	return l, nil
}

// own copies b; nil stays nil.
func own(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func ownTensors(m map[string]tensorfile.Tensor) map[string]tensorfile.Tensor {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]tensorfile.Tensor, len(m))
	for name, t := range m {
		t.Data = own(t.Data)
		out[name] = t
	}
	return out
}

// pixels says how an image becomes a variant's input: as the family's, or as
// the variant's own preprocessor_config.json has it.
func (f *family) pixels(v *store.Variant) (image.Spec, error) {
	if len(v.Preprocessor) == 0 {
		return f.model.Input().Image, nil
	}
	m, err := models.Open(f.basis.Config, v.Preprocessor)
	if err != nil {
		return image.Spec{}, fmt.Errorf("%w: preprocessor: %v", store.ErrFormat, err)
	}
	return m.Input().Image, nil
}

// unpin lets the weights go, if they were pinned.
func (h *handle) unpin() {
	if l := h.pinned.Swap(nil); l != nil {
		l.release()
	}
}

// inheritPin takes over another handle's pin of the same weights.
func (h *handle) inheritPin(from *handle) {
	if l := from.pinned.Swap(nil); l != nil && !h.pinned.CompareAndSwap(nil, l) {
		l.release()
	}
}
