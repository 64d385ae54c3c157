package runtime

import (
	"context"

	"eigenserve/runtime/cache"
)

// SetPinned makes a variant's weights resident and keeps them so, until they
// are unpinned, or the variant is replaced or deleted. A pin that would leave
// no slab for the other variants is refused: they would wait for one in vain.
func (eng *Engine) SetPinned(ctx context.Context, name string, pinned bool) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	if !pinned {
		return eng.unpin(name)
	}
	h, l, err := eng.open(name)
	if err != nil {
		return err
	}
	if _, err := eng.served(h, nil); err != nil {
		return err
	}
	lease, err := eng.lease(ctx, h, l)
	if err != nil {
		return err
	}
	if held, err := eng.hold(name, h, l, lease); !held {
		lease.Release()
		return err
	}
	return nil
}

// hold keeps a lease as the pin of a handle, if there is to be one.
func (eng *Engine) hold(name string, h *handle, l *loaded, lease *cache.Lease) (held bool, err error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	now, err := eng.served(eng.find(name))
	if err != nil {
		return false, err
	}
	if now != h {
		return false, Errorf(Conflict, "model %q was replaced meanwhile: pin it again", name)
	}
	if h.pinned.Load() != nil {
		return false, nil
	}
	if !eng.roomBeside(l) {
		return false, Errorf(Conflict, "with model %q pinned, no slab would be left for the others: raise --weight-cache, or unpin another", name)
	}
	h.pinned.Store(lease)
	return true, nil
}

func (eng *Engine) unpin(name string) error {
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(name)
	if err != nil {
		return err
	}
	h.unpin()
	return nil
}

// roomBeside tells whether any variant in memory could still get a slab if l
// was pinned as well. The caller holds change.
func (eng *Engine) roomBeside(l *loaded) bool {
	pinned, largest := l.bytes(), l.bytes()
	for _, h := range eng.handles() {
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

// bytes is what the weights take once they are rebuilt.
func (l *loaded) bytes() int64 { return l.family.slabs.SlabBytes() + l.variant.HeadBytes }
