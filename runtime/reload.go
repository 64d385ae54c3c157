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

// follow makes the handles those that the store's pointers tell of, all at once. It
// gives the names of replaced variants that were pinned.
func (eng *Engine) follow(ctx context.Context, force bool) (done Reloaded, pinned []string, err error) {
	eng.change.Lock()
	defer eng.change.Unlock()
	reading, err := eng.store.Refresh(force)
	if err != nil {
		return done, nil, family.Coded(err)
	}
	again := reading == eng.reading // nothing changed; what failed may have been mended
	if again && len(eng.unread) == 0 {
		return done, nil, nil
	}
	next, failed, err := eng.changed(ctx, again)
	if err != nil {
		return done, nil, err
	}
	for name, now := range next {
		switch was, is := last(eng.versions(name)), last(now); {
		case is == nil:
			done.Removed++
		case was == nil:
			done.Added++
		default:
			done.Replaced++
			if was.pinned.Load() != nil && was.entry.Digest != is.entry.Digest {
				pinned = append(pinned, name)
			}
		}
	}
	eng.swap(next)
	done.Retired = eng.retireBases()
	eng.reading = reading
	clear(eng.unread)
	var all []error
	for name, err := range failed {
		eng.unread[name] = true
		all = append(all, fmt.Errorf("model %q stays as it was: %w", name, err))
	}
	if again {
		return done, pinned, nil // it was told
	}
	return done, pinned, errors.Join(append(eng.store.Damaged(), all...)...)
}

// changed gives the handles of the names whose versions the store has otherwise, none
// of a name that is gone, and why others stay as they are. It reads the new files.
// again, it looks at those alone that failed the last time.
func (eng *Engine) changed(ctx context.Context, again bool) (next map[string][]*handle, failed map[string]error, err error) {
	next, failed = map[string][]*handle{}, map[string]error{}
	there := map[string]bool{}
	for _, e := range eng.store.Variants() {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		there[e.Name] = true
		old := eng.versions(e.Name)
		if again && !eng.unread[e.Name] || eng.follows(e.Name, old) {
			continue
		}
		fresh := handleOf(e, old, nil)
		if _, err := eng.load(fresh); err != nil && len(old) > 0 {
			failed[e.Name] = err
			continue
		}
		next[e.Name] = eng.handlesOf(e.Name, old, fresh)
	}
	for _, h := range eng.latest() {
		name := h.entry.Name
		if _, err := eng.store.Entry(name); !there[name] && !errors.Is(err, store.ErrDamaged) {
			next[name] = nil
		}
	}
	return next, failed, nil
}

// swap lets the names lead to these handles, and the aliases to what the store has of
// them, all at once, then lets go of what nothing leads to any more. The caller holds
// change.
func (eng *Engine) swap(next map[string][]*handle) {
	aliases, names := eng.followedAliases(next), eng.namesWith(next)
	was := map[string][]*handle{}
	eng.mu.Lock()
	for name, now := range next {
		was[name] = eng.variants[name]
		if last(now) == nil || last(was[name]) == nil || last(now).entry.Digest != last(was[name]).entry.Digest {
			delete(eng.unloaded, name)
		}
		if len(now) == 0 {
			delete(eng.variants, name)
		} else {
			eng.variants[name] = now
		}
	}
	eng.names, eng.aliases = names, aliases
	eng.mu.Unlock()
	for name, now := range next {
		eng.replaced(was[name], now)
	}
}

// namesWith gives the names as they are with those of next.
func (eng *Engine) namesWith(next map[string][]*handle) []string {
	eng.mu.Lock()
	names := slices.Clone(eng.names)
	eng.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := next[name]; return ok })
	for name, now := range next {
		if len(now) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// followedAliases gives the store's aliases. One that can't be read stays as it was,
// and so does one that was moved to a version whose file could not be read.
func (eng *Engine) followedAliases(next map[string][]*handle) map[string]store.Alias {
	missing := func(t store.Target) bool {
		versions, ok := next[t.Model]
		if !ok {
			versions = eng.versions(t.Model)
		}
		_, err := numbered(t.Model, versions, t.Version)
		return err != nil
	}
	aliases := map[string]store.Alias{}
	for _, a := range eng.Aliases() {
		if _, err := eng.store.Alias(a.Name); errors.Is(err, store.ErrDamaged) {
			aliases[a.Name] = a
		}
	}
	for _, a := range eng.store.Aliases() {
		was, err := eng.Alias(a.Name)
		if err == nil && slices.ContainsFunc(a.Targets, missing) && !slices.ContainsFunc(was.Targets, missing) {
			a = was
		}
		aliases[a.Name] = a
	}
	return aliases
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
			eng.cache.Retire(f.slabs)
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
