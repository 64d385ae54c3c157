package runtime

import (
	"context"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
)

// Where a variant is.
const (
	onDisk         = "disk"
	inCoefficients = "coefficients"
	inSlab         = "slab"
)

// residencies are where a variant can be, the slowest to answer first.
var residencies = []string{onDisk, inCoefficients, inSlab}

// residency returns where a version is.
func (eng *Engine) residency(h *handle) string {
	switch {
	case eng.cache.Contains(cache.Weights, h.entry.Digest):
		return inSlab
	case h.loaded.Load() != nil:
		return inCoefficients
	}
	return onDisk
}

// SetPinned rebuilds a variant's weights and keeps them in memory until they are
// unpinned, or the variant is replaced or deleted. A pin that would leave no slab for
// other variants is refused: they would wait for one forever.
func (eng *Engine) SetPinned(ctx context.Context, ref string, pinned bool) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	if !pinned {
		return eng.unpin(ref)
	}
	h, l, err := eng.open(ref)
	if err != nil {
		return err
	}
	if _, err := eng.refuseUnloaded(h, nil); err != nil {
		return err
	}
	lease, err := eng.lease(ctx, h, l)
	if err != nil {
		return err
	}
	if kept, err := eng.keepPin(ref, h, l, lease); !kept {
		lease.Release()
		return err
	}
	return nil
}

// keepPin makes a lease the pin of a version, unless it has one or must not. It reports
// whether the lease is kept.
func (eng *Engine) keepPin(ref string, h *handle, l *loaded, lease *cache.Lease) (kept bool, err error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	now, err := eng.refuseUnloaded(eng.find(ref))
	if err != nil {
		return false, err
	}
	if now != h {
		return false, Errorf(Conflict, "model %q was replaced meanwhile: pin it again", ref)
	}
	if h.pinned.Load() != nil {
		return false, nil
	}
	if !eng.hasRoomBeside(l) {
		return false, Errorf(Conflict, "with model %q pinned, no slab would be left for the others: raise --weight-cache, or unpin another", ref)
	}
	h.pinned.Store(lease)
	return true, nil
}

func (eng *Engine) unpin(ref string) error {
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(ref)
	if err != nil {
		return err
	}
	h.unpin()
	return nil
}

// hasRoomBeside reports whether any variant in memory could still get a slab if l were
// pinned too. The caller holds change.
func (eng *Engine) hasRoomBeside(l *loaded) bool {
	pinned, largest := l.bytes(), l.bytes()
	for _, h := range eng.catalogue.all() {
		other := h.loaded.Load()
		if other == nil {
			continue
		}
		largest = max(largest, other.bytes())
		if h.pinned.Load() != nil {
			pinned += other.bytes()
		}
	}
	return pinned+largest <= eng.cache.Limit()
}

// Ready returns nil if a request for a reference would be answered, or why it would not.
func (eng *Engine) Ready(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	_, _, err := eng.openForRequest(ref)
	return err
}

// Load undoes Unload and reads what answering needs.
func (eng *Engine) Load(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	h, err := eng.find(ref)
	if err != nil {
		return err
	}
	eng.catalogue.setUnloaded(h.entry.Name, false)
	_, err = eng.load(h)
	return family.Stored(err)
}

// Unload refuses requests for all versions of a name and frees what it holds in memory,
// until Load, a new version, or the next start. Running requests finish. The store does
// not change.
func (eng *Engine) Unload(ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(ref)
	if err != nil {
		return err
	}
	name := h.entry.Name
	if ref != name {
		return Errorf(Conflict, "%q is a version or an alias of model %q, which can only be unloaded as a whole: use its name", ref, name)
	}
	eng.catalogue.setUnloaded(name, true)
	versions := map[string]int{} // of the name, by digest
	for _, h := range eng.catalogue.of(name) {
		h.unpin()
		h.loaded.Store(nil)
		versions[h.entry.Digest]++
	}
	for digest, n := range versions {
		if eng.store.Uses(digest) == n {
			eng.cache.Drop(digest)
		}
	}
	return nil
}

// refuseUnloaded returns its arguments, or an error if the model was unloaded.
func (eng *Engine) refuseUnloaded(h *handle, err error) (*handle, error) {
	if err != nil {
		return nil, err
	}
	if name := h.entry.Name; eng.catalogue.isUnloaded(name) {
		return nil, Errorf(Unloaded, "model %q was unloaded; POST /v2/repository/models/%[1]s/load loads it", name)
	}
	return h, nil
}
