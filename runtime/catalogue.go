package runtime

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"eigenserve/store"
)

// catalogue holds the versions and aliases that requests can name. It follows the store's
// pointers. Versions and aliases are changed with Engine.change held, so only one goroutine
// changes them at a time.
type catalogue struct {
	mu       sync.Mutex           // guards what follows; no file is read under it
	names    []string             // of versions, sorted
	versions map[string][]*handle // by name, the oldest first; the slices are never changed in place
	aliases  map[string]store.Alias
	unloaded map[string]bool // names that were unloaded on request
}

func newCatalogue() *catalogue {
	return &catalogue{versions: map[string][]*handle{}, aliases: map[string]store.Alias{}, unloaded: map[string]bool{}}
}

// of returns the versions of a name.
func (c *catalogue) of(name string) []*handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.versions[name]
}

// numbers returns the numbers of a name's versions.
func (c *catalogue) numbers(name string) []int { return numbersOf(c.of(name)) }

// contains reports whether h is one of its name's versions.
func (c *catalogue) contains(h *handle) bool { return slices.Contains(c.of(h.entry.Name), h) }

// all returns every version, in no order.
func (c *catalogue) all() []*handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*handle, 0, len(c.versions))
	for _, versions := range c.versions {
		out = append(out, versions...)
	}
	return out
}

// current returns the current version of every name, sorted by name.
func (c *catalogue) current() []*handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*handle, len(c.names))
	for i, name := range c.names {
		out[i] = last(c.versions[name])
	}
	return out
}

// page returns the versions of up to limit names after a given one, all if limit is 0,
// and the name to continue after, "" at the end.
func (c *catalogue) page(after string, limit int) (page [][]*handle, next string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := c.names[sort.Search(len(c.names), func(i int) bool { return c.names[i] > after }):]
	if limit > 0 && limit < len(names) {
		names = names[:limit]
		next = names[limit-1]
	}
	page = make([][]*handle, len(names))
	for i, name := range names {
		page[i] = c.versions[name]
	}
	return page, next
}

// set replaces the versions of a name. Without versions the name is removed.
func (c *catalogue) set(name string, versions []*handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, found := slices.BinarySearch(c.names, name)
	switch {
	case len(versions) == 0:
		delete(c.versions, name)
		delete(c.unloaded, name)
		if found {
			c.names = slices.Delete(c.names, at, at+1)
		}
		return
	case !found:
		c.names = slices.Insert(c.names, at, name)
	}
	c.versions[name] = versions
}

// swap replaces the versions of some names, and all aliases, at once. It returns the
// versions that these names had. A name with another current version is no longer unloaded.
func (c *catalogue) swap(next map[string][]*handle, aliases map[string]store.Alias) (was map[string][]*handle) {
	names := c.namesWith(next) // before mu is locked, since sorting many names takes long
	was = map[string][]*handle{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, now := range next {
		was[name] = c.versions[name]
		if !sameDigest(last(now), last(was[name])) {
			delete(c.unloaded, name)
		}
		if len(now) == 0 {
			delete(c.versions, name)
		} else {
			c.versions[name] = now
		}
	}
	c.names, c.aliases = names, aliases
	return was
}

// namesWith returns the sorted names after a swap.
func (c *catalogue) namesWith(next map[string][]*handle) []string {
	c.mu.Lock()
	names := slices.Clone(c.names)
	c.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := next[name]; return ok })
	for name, now := range next {
		if len(now) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sameDigest reports whether a and b, which may be nil, are versions with the same file.
func sameDigest(a, b *handle) bool { return a != nil && b != nil && a.entry.Digest == b.entry.Digest }

// allAliases returns the aliases, sorted by name.
func (c *catalogue) allAliases() []store.Alias {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]store.Alias, 0, len(c.aliases))
	for _, a := range c.aliases {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b store.Alias) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// alias returns an alias, and whether there is one.
func (c *catalogue) alias(name string) (a store.Alias, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok = c.aliases[name]
	return a, ok
}

func (c *catalogue) setAlias(a store.Alias) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aliases[a.Name] = a
}

func (c *catalogue) removeAlias(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.aliases, name)
}

// aliasTargets returns the versions that aliases name.
func (c *catalogue) aliasTargets() (out []*handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.aliases {
		for _, t := range a.Targets {
			if h, err := withNumber(t.Model, c.versions[t.Model], t.Version); err == nil {
				out = append(out, h)
			}
		}
	}
	return out
}

// isAliased reports whether an alias names the very version.
func (c *catalogue) isAliased(h *handle) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.aliases {
		for _, t := range a.Targets {
			if t.Model == h.entry.Name && t.Version == h.entry.Version {
				return true
			}
		}
	}
	return false
}

// setUnloaded says whether requests for a name are refused.
func (c *catalogue) setUnloaded(name string, unloaded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.unloaded, name); unloaded {
		c.unloaded[name] = true
	}
}

func (c *catalogue) isUnloaded(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unloaded[name]
}
