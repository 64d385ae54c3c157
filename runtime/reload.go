package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"time"

	"eigenserve/runtime/family"
	"eigenserve/store"
)

// Reloaded counts what a reload changed.
type Reloaded struct {
	Added, Replaced, Removed int
	// Retired counts the bases that no variant uses any more.
	Retired int
}

// Reload follows what other processes have changed in the store. A variant's new file is
// read before it replaces the old one, and requests that hold the old one finish with
// it. A variant whose new file or pointer cannot be read stays as it was, and the error
// says so. Without force, nothing is read unless another process has announced a change.
// With force, all pointers are read, for a folder that was changed by other means.
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
		goruntime.GC() // unmaps a retired basis that nothing refers to any more
	}
	return done, err
}

// follow makes the catalogue agree with the store's pointers, in one step. It returns the
// names of replaced variants that were pinned.
func (eng *Engine) follow(ctx context.Context, force bool) (done Reloaded, pinned []string, err error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	generation, err := eng.store.Refresh(force)
	if err != nil {
		return done, nil, family.Coded(err)
	}
	retry := generation == eng.generation // nothing changed, but what failed may have been mended
	if retry && len(eng.unread) == 0 {
		return done, nil, nil
	}
	next, failed, err := eng.readChanges(ctx, retry)
	if err != nil {
		return done, nil, err
	}
	done, pinned = eng.compare(next)
	was := eng.catalogue.swap(next, eng.storedAliases(next))
	for name, now := range next {
		eng.release(was[name], now)
	}
	done.Retired = eng.retireBases()
	eng.generation = generation
	clear(eng.unread)
	errs := eng.store.Damaged()
	for name, err := range failed {
		eng.unread[name] = true
		errs = append(errs, fmt.Errorf("model %q stays as it was: %w", name, err))
	}
	if retry {
		return done, pinned, nil // the errors were returned the first time
	}
	return done, pinned, errors.Join(errs...)
}

// compare counts what a swap to next will change, and returns the names of the pinned
// variants whose weights it will replace.
func (eng *Engine) compare(next map[string][]*handle) (done Reloaded, pinned []string) {
	for name, now := range next {
		switch was, is := last(eng.catalogue.of(name)), last(now); {
		case is == nil:
			done.Removed++
		case was == nil:
			done.Added++
		default:
			done.Replaced++
			if was.pinned.Load() != nil && !sameDigest(was, is) {
				pinned = append(pinned, name)
			}
		}
	}
	return done, pinned
}

// readChanges returns the handles of the names whose versions differ from the store's,
// none for a name that was removed, and why other names stay as they are. It reads the
// new files. With retry, it looks only at the names that failed the last time.
func (eng *Engine) readChanges(ctx context.Context, retry bool) (next map[string][]*handle, failed map[string]error, err error) {
	next, failed = map[string][]*handle{}, map[string]error{}
	stored := map[string]bool{}
	for _, e := range eng.store.Variants() {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		stored[e.Name] = true
		was := eng.catalogue.of(e.Name)
		if retry && !eng.unread[e.Name] || eng.agrees(e.Name, was) {
			continue
		}
		current := handleFor(e, was, nil)
		if _, err := eng.load(current); err != nil && len(was) > 0 {
			failed[e.Name] = err
			continue
		}
		next[e.Name] = eng.storedHandles(e.Name, was, current)
	}
	for _, h := range eng.catalogue.current() {
		name := h.entry.Name
		if _, err := eng.store.Entry(name); !stored[name] && !errors.Is(err, store.ErrDamaged) {
			next[name] = nil
		}
	}
	return next, failed, nil
}

// agrees reports whether handles are those of the versions that the store has.
func (eng *Engine) agrees(name string, handles []*handle) bool {
	entries, _ := eng.store.Versions(name)
	return slices.EqualFunc(entries, handles, func(e store.Entry, h *handle) bool {
		return e.Version == h.entry.Version && e.Digest == h.entry.Digest
	})
}

// storedAliases returns the store's aliases as the catalogue should have them after a
// swap to next. An alias stays as it was if its pointer cannot be read, or if it was moved
// to a version whose file could not be read.
func (eng *Engine) storedAliases(next map[string][]*handle) map[string]store.Alias {
	missing := func(t store.Target) bool {
		versions, ok := next[t.Model]
		if !ok {
			versions = eng.catalogue.of(t.Model)
		}
		_, err := withNumber(t.Model, versions, t.Version)
		return err != nil
	}
	aliases := map[string]store.Alias{}
	for _, a := range eng.Aliases() {
		if _, err := eng.store.Alias(a.Name); errors.Is(err, store.ErrDamaged) {
			aliases[a.Name] = a
		}
	}
	for _, a := range eng.store.Aliases() {
		was, ok := eng.catalogue.alias(a.Name)
		if ok && slices.ContainsFunc(a.Targets, missing) && !slices.ContainsFunc(was.Targets, missing) {
			a = was
		}
		aliases[a.Name] = a
	}
	return aliases
}

// retireBases frees the bases that no variant in memory uses and that are no family's
// current one, and returns how many it freed. Running calls keep theirs until they end.
func (eng *Engine) retireBases() int {
	used := map[string]bool{}
	for _, f := range eng.store.Families() {
		used[f.Basis] = true
	}
	for _, h := range eng.catalogue.current() {
		used[h.entry.Basis] = true
	}
	for _, h := range eng.catalogue.all() {
		if h.loaded.Load() != nil {
			used[h.entry.Basis] = true
		}
	}
	removed := eng.families.removeUnused(used)
	for _, f := range removed {
		eng.cache.Retire(f.slabs)
	}
	return len(removed)
}

// catchUp waits for a running change, follows what another process has changed, and
// reports whether the catalogue still has a handle. If it does and that process is not
// done, the pointers may have been read too early, so they are read again. Errors are
// returned by the next call that needs the file.
func (eng *Engine) catchUp(h *handle) (holds bool) {
	eng.Reload(context.Background(), false)
	if eng.catalogue.contains(h) {
		eng.Reload(context.Background(), eng.store.Changing())
	}
	return eng.catalogue.contains(h)
}

// Watch reloads the store until ctx is done: at each tick if another process has changed
// it, and at each signal in any case. It calls report after a reload that changed
// something or failed.
func (eng *Engine) Watch(ctx context.Context, every time.Duration, signal <-chan os.Signal, report func(Reloaded, error)) {
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
			report(done, err)
		}
	}
}
