package runtime

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/store"
)

// handle is one version of a name: an entry of the catalogue and, after its first use,
// what answering needs. A version that replaces it gets a new handle, so a request that
// holds this one ends with the weights that it began with.
type handle struct {
	entry store.Entry

	mu     sync.Mutex // held while the variant is read, so that it is read once
	loaded atomic.Pointer[loaded]
	pinned atomic.Pointer[cache.Lease]
	usage  atomic.Pointer[usage]
	// removed is set once no name leads to the handle any more, before its weights are
	// dropped from the cache.
	removed atomic.Bool

	requests, hits, rebuilds atomic.Int64
	// rent is the time, in nanoseconds, that its requests have lost since its weights were
	// last rebuilt because they were answered without.
	rent atomic.Int64
}

func newHandle(e store.Entry) *handle { return &handle{entry: e} }

// loaded is the part of a variant that stays in memory. It does not change.
type loaded struct {
	family  *servedFamily
	variant *family.Variant
}

// bytes returns the memory of the rebuilt weights.
func (l *loaded) bytes() int64 { return l.family.slabs.SlabBytes() + l.variant.HeadBytes }

// open returns the version that a reference stands for, to look at, with what answering
// needs.
func (eng *Engine) open(ref string) (*handle, *loaded, error) {
	return eng.openBy(func() (*handle, error) { return eng.find(ref) })
}

// openForRequest is open for a request: an alias's targets are chosen by their weights, and
// an unloaded model is refused.
func (eng *Engine) openForRequest(ref string) (*handle, *loaded, error) {
	return eng.openBy(func() (*handle, error) { return eng.refuseUnloaded(eng.resolve(ref, weighted)) })
}

// openBy loads the version that find returns. If the version's file has disappeared, it
// catches up with the store and calls find again.
func (eng *Engine) openBy(find func() (*handle, error)) (*handle, *loaded, error) {
	for {
		h, err := find()
		if err != nil {
			return nil, nil, err
		}
		l, err := eng.load(h)
		if !errors.Is(err, store.ErrNotFound) {
			return h, l, err
		}
		// The file has disappeared. If the version was replaced or deleted since it was
		// found, here or by another process, the catalogue is about to follow.
		if eng.catchUp(h) {
			return nil, nil, &Error{Code: Damaged, Text: fmt.Sprintf("model %q: %v", h.entry.Name, err), Err: err}
		}
	}
}

// load reads a variant's coefficients at the first use.
func (eng *Engine) load(h *handle) (*loaded, error) {
	if l := h.loaded.Load(); l != nil {
		return l, nil
	}
	f, err := eng.families.get(h.entry.Basis)
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

// unpin releases the weights if they are pinned.
func (h *handle) unpin() {
	if l := h.pinned.Swap(nil); l != nil {
		l.Release()
	}
}

// inherit takes over what another handle of the same file has in memory: its coefficients
// and its pin.
func (h *handle) inherit(from *handle) {
	h.loaded.CompareAndSwap(nil, from.loaded.Load())
	if l := from.pinned.Swap(nil); l != nil && !h.pinned.CompareAndSwap(nil, l) {
		l.Release()
	}
}

// size estimates the memory of a handle without its tensors: itself, its strings, and its
// entries in the catalogue's maps.
func (h *handle) size() int64 {
	e := &h.entry
	return 2*int64(unsafe.Sizeof(*h)) + int64(len(e.Name)+len(e.Digest)+len(e.Family)+len(e.Basis)) + 24*int64(e.Classes)
}
