package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"eigenserve/runtime/family"
	"eigenserve/store"
)

// A request names what it asks by a reference: a name or an alias, which stand
// for the current version; "name:3", a version by its number; or "name@digest", a
// version by its digest or the begin of it.

// minPrefix is how much of a digest a reference has to give at least.
const minPrefix = 8

// chooser takes one of an alias's targets.
type chooser func([]store.Target) store.Target

// find gives the handle that a reference stands for. Of an alias's targets it
// takes the one of most weight: what is looked at is then the same each time.
func (eng *Engine) find(ref string) (*handle, error) { return eng.resolve(ref, heaviest) }

// resolve gives the handle that a reference stands for. It sees the catalogue
// before a change or after, never a part of it.
func (eng *Engine) resolve(ref string, choose chooser) (*handle, error) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	if versions := eng.variants[ref]; versions != nil {
		return last(versions), nil
	}
	if a, ok := eng.aliases[ref]; ok {
		t := choose(a.Targets)
		return eng.version(t.Model, t.Version)
	}
	if name, prefix, ok := strings.Cut(ref, "@"); ok {
		return eng.withDigest(name, prefix)
	}
	if name, number, ok := strings.Cut(ref, ":"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, Errorf(Invalid, "model %.200q: %.40q is no version's number", ref, number)
		}
		return eng.version(name, n)
	}
	return nil, eng.unknown(ref)
}

// unknown says why there is no handle of a name.
func (eng *Engine) unknown(name string) error {
	if err := store.CheckName(name); err != nil {
		return family.Coded(err)
	}
	if _, err := eng.store.Entry(name); errors.Is(err, store.ErrDamaged) {
		return family.Coded(err)
	}
	if _, err := eng.store.Alias(name); errors.Is(err, store.ErrDamaged) {
		return family.Coded(err)
	}
	return Errorf(NotFound, "no model %q; `eigenserve ls` and GET /v1/models list them", name)
}

// version finds a version of a name by its number; 0 is the current one. The caller
// holds mu.
func (eng *Engine) version(name string, n int) (*handle, error) {
	versions := eng.variants[name]
	if len(versions) == 0 {
		return nil, eng.unknown(name)
	}
	return numbered(name, versions, n)
}

func numbered(name string, versions []*handle, n int) (*handle, error) {
	if n == 0 && len(versions) > 0 {
		return last(versions), nil
	}
	for _, h := range versions {
		if h.entry.Version == n {
			return h, nil
		}
	}
	return nil, Errorf(NotFound, "model %q has no version %d, only %v", name, n, numbersOf(versions))
}

// withDigest finds the last version of a name whose digest begins with prefix. The
// caller holds mu.
func (eng *Engine) withDigest(name, prefix string) (*handle, error) {
	versions := eng.variants[name]
	if len(versions) == 0 {
		return nil, eng.unknown(name)
	}
	if len(prefix) < minPrefix || len(prefix) > 64 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, Errorf(Invalid, "model %q: %.70q is no digest: give at least the first %d of its hexadecimal digits", name, prefix, minPrefix)
	}
	var found *handle
	for _, h := range slices.Backward(versions) {
		switch {
		case !strings.HasPrefix(h.entry.Digest, prefix):
		case found == nil:
			found = h
		case found.entry.Digest != h.entry.Digest:
			return nil, Errorf(Invalid, "model %q has several versions whose digest begins with %s: give more of it", name, prefix)
		}
	}
	if found == nil {
		return nil, Errorf(NotFound, "model %q has no version with digest %s", name, prefix)
	}
	return found, nil
}

func numbersOf(versions []*handle) []int {
	out := make([]int, len(versions))
	for i, h := range versions {
		out[i] = h.entry.Version
	}
	return out
}

// heaviest is the target of most weight, the first of several.
func heaviest(targets []store.Target) store.Target {
	most := targets[0]
	for _, t := range targets[1:] {
		if t.Weight > most.Weight {
			most = t
		}
	}
	return most
}

// weighted takes each target as often as its weight has it.
func weighted(targets []store.Target) store.Target {
	sum := 0
	for _, t := range targets {
		sum += t.Weight
	}
	at := rand.IntN(sum) // above 0: the store holds it so
	for _, t := range targets {
		if at -= t.Weight; at < 0 {
			return t
		}
	}
	return targets[0]
}

// holds tells whether the catalogue still leads to a handle.
func (eng *Engine) holds(h *handle) bool {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	return slices.Contains(eng.variants[h.entry.Name], h)
}

// refresh makes the handles of a name tell of what the store holds: those of
// versions that are as they were stay, and what is served no more lets its
// weights go. fresh, if any, is the handle of a version that was just put. The
// caller holds change.
func (eng *Engine) refresh(name string, fresh *handle) {
	old := eng.versions(name)
	now := eng.handlesOf(name, old, fresh)
	eng.mu.Lock()
	eng.setName(name, now)
	eng.mu.Unlock()
	eng.replaced(old, now)
}

// handlesOf gives the handles of the versions of a name that the store holds, none
// where it was removed.
func (eng *Engine) handlesOf(name string, old []*handle, fresh *handle) []*handle {
	entries, _ := eng.store.Versions(name)
	now := make([]*handle, len(entries))
	for i, e := range entries {
		now[i] = handleOf(e, old, fresh)
	}
	return now
}

// replaced lets go of what a name's old versions hold that are not served now. The
// caller holds change.
func (eng *Engine) replaced(old, now []*handle) {
	was, is := last(old), last(now)
	for _, h := range old {
		switch kept := slices.Contains(now, h); {
		case h == was && is != nil && is != h && is.entry.Digest == h.entry.Digest:
			is.inheritPin(h) // the same weights: they stay pinned
		case !kept || h == was && h != is:
			eng.retire(h, kept)
		}
	}
}

// last is the current one of a name's versions, nil of none.
func last(versions []*handle) *handle {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1]
}

// handleOf gives a version the handle that it has, or a new one: fresh if that is its.
func handleOf(e store.Entry, old []*handle, fresh *handle) *handle {
	for _, h := range old {
		if h.entry == e {
			return h
		}
	}
	if fresh != nil && fresh.entry == e {
		return fresh
	}
	return newHandle(e)
}

// setName puts a name's handles into the catalogue, or takes it out. The caller
// holds mu.
func (eng *Engine) setName(name string, versions []*handle) {
	at, there := slices.BinarySearch(eng.names, name)
	switch {
	case len(versions) == 0:
		delete(eng.variants, name)
		delete(eng.unloaded, name)
		if there {
			eng.names = slices.Delete(eng.names, at, at+1)
		}
		return
	case !there:
		eng.names = slices.Insert(eng.names, at, name)
	}
	eng.variants[name] = versions
}

// retire lets go of what a handle holds in memory that is removed, or kept but
// not the current one any more, unless an alias names its version or another
// version is of the same digest.
func (eng *Engine) retire(h *handle, kept bool) {
	h.gone.Store(!kept)
	h.unpin()
	if kept && eng.aliased(h) {
		return
	}
	h.loaded.Store(nil)
	others := eng.store.Uses(h.entry.Digest)
	if kept {
		others--
	}
	if others == 0 {
		eng.cache.Drop(h.entry.Digest)
	}
}

// aliased tells whether an alias names a handle's version.
func (eng *Engine) aliased(h *handle) bool {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	for _, a := range eng.aliases {
		for _, t := range a.Targets {
			if t.Model == h.entry.Name && t.Version == h.entry.Version {
				return true
			}
		}
	}
	return false
}

// VersionInfo is one of a name's versions.
type VersionInfo struct {
	Version int       `json:"version"`
	Digest  string    `json:"digest"`
	Bytes   int64     `json:"bytes"`
	Added   time.Time `json:"added"`
}

// Versions lists the versions of a name or of an alias's model, the oldest first;
// the last is the current one.
func (eng *Engine) Versions(ref string) ([]VersionInfo, error) {
	h, err := eng.find(ref)
	if err != nil {
		return nil, err
	}
	eng.mu.Lock()
	defer eng.mu.Unlock()
	var out []VersionInfo
	for _, h := range eng.variants[h.entry.Name] {
		out = append(out, VersionInfo{Version: h.entry.Version, Digest: h.entry.Digest, Bytes: h.entry.Bytes, Added: h.entry.Added})
	}
	return out, nil
}

// DeleteVariant removes a name with all its versions, or the one version that the
// reference gives. Requests under way finish.
func (eng *Engine) DeleteVariant(ctx context.Context, ref string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	eng.change.Lock()
	defer eng.change.Unlock()
	h, err := eng.find(ref)
	if damaged := errors.Is(err, store.ErrDamaged) && store.CheckName(ref) == nil; err != nil && !damaged {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil { // of its pointer, which goes
		return family.Coded(eng.store.DeleteVariant(ref))
	}
	name := h.entry.Name
	switch {
	case ref == name:
		err = eng.store.DeleteVariant(name)
	case strings.ContainsAny(ref, ":@"):
		err = eng.store.DeleteVersion(name, h.entry.Version)
	default:
		return Errorf(Conflict, "%q is an alias of model %q: remove the alias, or the model by its own name", ref, name)
	}
	if err != nil {
		return family.Coded(err)
	}
	eng.refresh(name, nil)
	return nil
}
