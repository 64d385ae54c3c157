package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"time"

	"eigenserve/store"
)

// Reloaded counts what a reload changed.
type Reloaded struct {
	Added, Replaced, Removed int
	// Retired counts the bases that no variant stands on any more.
	Retired int
}

// Reload takes over what other processes changed in the store: each variant's
// new file is read before it takes the old one's place, and requests that hold
// the old one finish with it. A variant whose new file or pointer can't be read goes
// on as it was, and the error says so. Without force nothing is read unless another
// process told of a change; with it, all pointers are, for a folder that was
// changed by other means.
func (eng *Engine) Reload(ctx context.Context, force bool) (Reloaded, error) {
	if err := eng.enter(); err != nil {
		return Reloaded{}, err
	}
	defer eng.leave()
	done, pinned, err := eng.follow(ctx, force)
	for _, name := range pinned {
		err = errors.Join(err, eng.SetPinned(ctx, name, true))
	}
	if done.Retired > 0 {
		goruntime.GC() // a retired basis is unmapped once nothing refers to it
	}
	return done, err
}

// follow makes the handles those that the store's pointers tell of. It gives the
// names of replaced variants that were pinned.
func (eng *Engine) follow(ctx context.Context, force bool) (done Reloaded, pinned []string, err error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	reading, err := eng.store.Refresh(force)
	if err != nil || reading == eng.reading {
		return done, nil, storeError(err)
	}
	failed := eng.store.Damaged()
	eng.followAliases()
	there := map[string]bool{}
	for _, e := range eng.store.Variants() {
		if err := ctx.Err(); err != nil {
			return done, pinned, err
		}
		there[e.Name] = true
		old := eng.versions(e.Name)
		if eng.follows(e.Name, old) {
			continue
		}
		fresh := handleOf(e, old, nil)
		if _, err := eng.load(fresh); err != nil && len(old) > 0 {
			failed = append(failed, fmt.Errorf("model %q stays as it was: %w", e.Name, err))
			continue
		}
		if was := last(old); was == nil {
			done.Added++
		} else {
			done.Replaced++
			if was.pinned.Load() != nil && was.entry.Digest != e.Digest {
				pinned = append(pinned, e.Name)
			}
		}
		eng.refresh(e.Name, fresh)
	}
	for _, h := range eng.latest() {
		if _, err := eng.store.Entry(h.entry.Name); !there[h.entry.Name] && !errors.Is(err, store.ErrDamaged) {
			eng.refresh(h.entry.Name, nil)
			done.Removed++
		}
	}
	done.Retired = eng.retireBases()
	eng.reading = reading
	return done, pinned, errors.Join(failed...)
}

func (eng *Engine) followAliases() {
	aliases := map[string]store.Alias{}
	for _, a := range eng.store.Aliases() {
		aliases[a.Name] = a
	}
	eng.mu.Lock()
	defer eng.mu.Unlock()
	for name, a := range eng.aliases {
		if _, err := eng.store.Alias(name); errors.Is(err, store.ErrDamaged) {
			aliases[name] = a
		}
	}
	eng.aliases = aliases
}

// versions gives the handles of a name's versions.
func (eng *Engine) versions(name string) []*handle {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	return eng.variants[name]
}

// follows tells whether handles are those of the versions that the store has.
func (eng *Engine) follows(name string, handles []*handle) bool {
	entries, _ := eng.store.Versions(name)
	return slices.EqualFunc(entries, handles, func(e store.Entry, h *handle) bool {
		return e.Version == h.entry.Version && e.Digest == h.entry.Digest
	})
}

// retireBases lets go of bases that no variant in memory stands on and that are
// no family's current one. Calls under way keep theirs until they end.
func (eng *Engine) retireBases() (retired int) {
	used := map[string]bool{}
	for _, f := range eng.store.Families() {
		used[f.Basis] = true
	}
	for _, h := range eng.latest() {
		used[h.entry.Basis] = true
	}
	for _, h := range eng.handles() {
		if h.loaded.Load() != nil {
			used[h.entry.Basis] = true
		}
	}
	eng.mu.Lock()
	defer eng.mu.Unlock()
	for digest, s := range eng.families {
		if used[digest] {
			continue
		}
		delete(eng.families, digest)
		if f := s.family.Load(); f != nil {
			eng.cache.retire(f.slabs)
			retired++
		}
	}
	return retired
}

// settle waits for the change under way, takes over what another process changed,
// and tells whether the catalogue still leads to a handle. Where it does, and that
// process is still at it, the folder may have been read when the change had only
// begun: it is read again. What can't be read is told to whoever asks for it.
func (eng *Engine) settle(h *handle) (holds bool) {
	eng.Reload(context.Background(), false)
	if eng.holds(h) {
		eng.Reload(context.Background(), eng.store.Changing())
	}
	return eng.holds(h)
}

// Watch reloads the store when another process changed it, which it looks for
// at every tick, and in any case at every signal, until ctx is done. tell is
// called after each reload that changed something or failed.
func (eng *Engine) Watch(ctx context.Context, every time.Duration, signal <-chan os.Signal, tell func(Reloaded, error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		force := false
		select {
		case <-ctx.Done():
			return
		case <-signal:
			force = true
		case <-tick.C:
		}
		done, err := eng.Reload(ctx, force)
		if ctx.Err() != nil {
			return
		}
		if err != nil || done != (Reloaded{}) {
			tell(done, err)
		}
	}
}
