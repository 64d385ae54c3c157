package runtime

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/similar"
	"eigenserve/store"
)

// A request names a model by a reference: a name or an alias, which stand for the current
// version; "name:3", a version by its number; or "name@digest", a version by its digest
// or the first digits of it.

// minPrefix is how many digits of a digest a reference must have.
const minPrefix = 8

// chooser takes one of an alias's targets.
type chooser func([]store.Target) store.Target

// find returns the version that a reference stands for. Of an alias's targets it takes
// the one with the most weight, so that it returns the same each time.
func (eng *Engine) find(ref string) (*handle, error) { return eng.resolve(ref, heaviest) }

// resolve returns the version that a reference stands for.
func (eng *Engine) resolve(ref string, choose chooser) (*handle, error) {
	h, err := eng.catalogue.resolve(ref, choose)
	var unknown unknownName
	if errors.As(err, &unknown) {
		return nil, eng.explain(string(unknown))
	}
	return h, err
}

// explain returns the error for a name that the catalogue does not have.
func (eng *Engine) explain(name string) error {
	if err := store.CheckName(name); err != nil {
		return family.Coded(err)
	}
	if _, err := eng.store.Entry(name); errors.Is(err, store.ErrDamaged) {
		return family.Coded(err)
	}
	if _, err := eng.store.Alias(name); errors.Is(err, store.ErrDamaged) {
		return family.Coded(err)
	}
	return eng.noModel(name)
}

// noModel returns the error for a name that is neither a model's nor an alias's.
func (eng *Engine) noModel(name string) error {
	return fault.NoSuch("model", name, func(visible func(string) bool) string {
		return similar.Name(name, eng.catalogue.near(name), visible)
	})
}

// unknownName is the error for a name that has no versions.
type unknownName string

func (e unknownName) Error() string { return "no model " + strconv.Quote(string(e)) }

// resolve returns the version that a reference stands for. It sees a change of the
// catalogue entirely or not at all.
func (c *catalogue) resolve(ref string, choose chooser) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if versions := c.versions[ref]; versions != nil {
		return last(versions), nil
	}
	if a, ok := c.aliases[ref]; ok {
		t := choose(a.Targets)
		return withNumber(t.Model, c.versions[t.Model], t.Version)
	}
	if name, prefix, ok := strings.Cut(ref, "@"); ok {
		return withDigest(name, c.versions[name], prefix)
	}
	if name, number, ok := strings.Cut(ref, ":"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, Errorf(Invalid, "model %.200q: %.40q is not a version number", ref, number)
		}
		return withNumber(name, c.versions[name], n)
	}
	return nil, unknownName(ref)
}

// withNumber returns the version with a number, the current one for 0.
func withNumber(name string, versions []*handle, n int) (*handle, error) {
	if len(versions) == 0 {
		return nil, unknownName(name)
	}
	if n == 0 {
		return last(versions), nil
	}
	for _, h := range versions {
		if h.entry.Version == n {
			return h, nil
		}
	}
	return nil, Errorf(NotFound, "model %q has no version %d, only %v", name, n, numbersOf(versions))
}

// withDigest returns the last version whose digest begins with prefix.
func withDigest(name string, versions []*handle, prefix string) (*handle, error) {
	if len(versions) == 0 {
		return nil, unknownName(name)
	}
	if len(prefix) < minPrefix || len(prefix) > 64 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, Errorf(Invalid, "model %q: %.70q is not a digest: give at least its first %d hexadecimal digits", name, prefix, minPrefix)
	}
	var found *handle
	for _, h := range slices.Backward(versions) {
		switch {
		case !strings.HasPrefix(h.entry.Digest, prefix):
		case found == nil:
			found = h
		case found.entry.Digest != h.entry.Digest:
			return nil, Errorf(Invalid, "model %q has several versions whose digest begins with %s: give more digits", name, prefix)
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

// last returns the current one of a name's versions, nil if there is none.
func last(versions []*handle) *handle {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1]
}

// heaviest returns the target with the most weight, the first of several.
func heaviest(targets []store.Target) store.Target {
	most := targets[0]
	for _, t := range targets[1:] {
		if t.Weight > most.Weight {
			most = t
		}
	}
	return most
}

// weighted returns a random target, each with the probability of its weight.
func weighted(targets []store.Target) store.Target {
	sum := 0
	for _, t := range targets {
		sum += t.Weight
	}
	at := rand.IntN(sum) // the store keeps weights positive
	for _, t := range targets {
		if at -= t.Weight; at < 0 {
			return t
		}
	}
	return targets[0]
}
