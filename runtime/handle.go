package runtime

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/store"
)

// handle is one version of a name: at rest an entry of the catalogue, after its
// first use what answering needs as well. A replaced variant gets a new handle,
// so whoever holds one goes on with the weights that it began with.
type handle struct {
	entry store.Entry

	mu     sync.Mutex // held while the variant is read, so that it is read once
	loaded atomic.Pointer[loaded]
	pinned atomic.Pointer[cache.Lease]
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
	family  *servedFamily
	variant *family.Variant
}

// weightsRequest returns what the variant's rebuilt weights take and save. They save a
// variant that can't be answered without them the time of a rebuild.
func (l *loaded) weightsRequest() cache.Request {
	c := &l.family.costs
	saves := func() time.Duration { return c.saving(1, 0) }
	if !l.family.Factorable(l.variant.Variant) {
		saves = c.rebuild.Mean
	}
	return cache.Request{Kind: cache.Weights, Key: l.variant.Digest, Pool: l.family.slabs, HeapBytes: l.variant.HeadBytes, Saves: saves}
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
		return nil, family.Stored(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.loaded.Load(); l != nil {
		return l, nil
	}
	v, err := eng.store.ReadVariant(h.entry.Digest)
	if err != nil {
		return nil, family.Stored(family.Coded(err))
	}
	l, err := f.load(v)
	if err != nil {
		return nil, family.Stored(err)
	}
	h.loaded.Store(l)
	return l, nil
}

// unpin lets the weights go, if they were pinned.
func (h *handle) unpin() {
	if l := h.pinned.Swap(nil); l != nil {
		l.Release()
	}
}

// inheritPin takes over another handle's pin of the same weights.
func (h *handle) inheritPin(from *handle) {
	if l := from.pinned.Swap(nil); l != nil && !h.pinned.CompareAndSwap(nil, l) {
		l.Release()
	}
}
