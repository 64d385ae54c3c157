package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"eigenserve/store"
)

// version returns a handle of a version whose file has the given digest.
func version(name string, number int, digest string) *handle {
	return newHandle(store.Entry{Name: name, Version: number, Digest: digest})
}

// versions returns the handles of versions 1, 2, … of a name with these digests.
func versions(name string, digests ...string) (out []*handle) {
	for i, digest := range digests {
		out = append(out, version(name, i+1, digest))
	}
	return out
}

// newTestCatalogue returns a catalogue of names, each with its versions.
func newTestCatalogue(all ...[]*handle) *catalogue {
	c := newCatalogue()
	for _, v := range all {
		c.set(v[0].entry.Name, v)
	}
	return c
}

// describe lists what a catalogue holds, each name with the numbers of its versions.
func describe(c *catalogue) string {
	var out []string
	for _, h := range c.current() {
		out = append(out, fmt.Sprintf("%s%v", h.entry.Name, c.numbers(h.entry.Name)))
	}
	return strings.Join(out, " ")
}

func TestCatalogueSet(t *testing.T) {
	c := newCatalogue()
	b := versions("b", "x", "y")
	for _, step := range []struct {
		name     string
		versions []*handle
		want     string
	}{
		{"b", b, "b[1 2]"},
		{"c", versions("c", "x"), "b[1 2] c[1]"},
		{"a", versions("a", "x"), "a[1] b[1 2] c[1]"},
		{"b", b[1:], "a[1] b[2] c[1]"},
		{"c", nil, "a[1] b[2]"},
		{"c", nil, "a[1] b[2]"},
		{"a", nil, "b[2]"},
	} {
		c.set(step.name, step.versions)
		if got := describe(c); got != step.want {
			t.Fatalf("after %d versions of %q were set: %s, want %s", len(step.versions), step.name, got, step.want)
		}
	}
	if c.contains(b[0]) || !c.contains(b[1]) || c.contains(version("b", 2, "y")) {
		t.Error("contains does not report whether a handle is in the catalogue")
	}
	if all := c.all(); len(all) != 1 || all[0] != b[1] {
		t.Errorf("all returned %d handles, want the one of b's version 2", len(all))
	}
}

func TestCataloguePage(t *testing.T) {
	c := newTestCatalogue(versions("a", "x"), versions("c", "x", "y"), versions("e", "x"))
	for _, test := range []struct {
		after string
		limit int
		want  string
		next  string
	}{
		{"", 0, "a c e", ""},
		{"", 1, "a", "a"},
		{"a", 1, "c", "c"},
		{"a", 2, "c e", ""},
		{"b", 1, "c", "c"}, // the name to continue after need not exist
		{"c", 5, "e", ""},
		{"e", 1, "", ""},
	} {
		page, next := c.page(test.after, test.limit)
		var got []string
		for _, v := range page {
			got = append(got, last(v).entry.Name)
		}
		if strings.Join(got, " ") != test.want || next != test.next {
			t.Errorf("page(%q, %d) returned %q and %q, want %q and %q", test.after, test.limit, got, next, test.want, test.next)
		}
	}
}

func TestCatalogueResolve(t *testing.T) {
	const one, two, three = "11111111aaaa", "22222222bbbb", "11111111cccc"
	c := newTestCatalogue(versions("m", one, two, three, two), versions("n", one))
	for name, target := range map[string]store.Target{
		"current":    {Model: "m"},
		"fixed":      {Model: "m", Version: 1},
		"no-model":   {Model: "removed"},
		"no-version": {Model: "n", Version: 2},
		"n":          {Model: "m"}, // a model's name comes first
	} {
		c.setAlias(store.Alias{Name: name, Targets: []store.Target{target}})
	}
	for ref, want := range map[string]string{
		"m": "m 4", "n": "n 1", "m:1": "m 1", "m:3": "m 3", "current": "m 4", "fixed": "m 1",
		"m@" + two: "m 4", "m@2222222": "is not a digest", "m@22222222": "m 4", "m@11111111a": "m 1",
		"m@11111111": "has several versions whose digest begins with 11111111",
		"m@33333333": "has no version with digest",
		"m:5":        "has no version 5, only [1 2 3 4]",
		"m:x":        "is not a version number",
		"no-version": "has no version 2, only [1]",
		"other":      `no model "other"`,
		"other:1":    `no model "other"`,
		"other@1":    `no model "other"`,
		"no-model":   `no model "removed"`,
		"current:1":  `no model "current"`, // aliases have no versions
		"":           `no model ""`,
	} {
		h, err := c.resolve(ref, heaviest)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(h.entry.Name, " ", h.entry.Version)
		}
		if err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("resolve(%q) returned %s, want %s", ref, got, want)
		}
		var unknown unknownName
		if isUnknown := errors.As(err, &unknown); isUnknown != strings.HasPrefix(want, "no model") {
			t.Errorf("resolve(%q) returned %v, an unknownName: %t", ref, err, isUnknown)
		}
	}
}

func TestCatalogueAliases(t *testing.T) {
	m := versions("m", "x", "y")
	c := newTestCatalogue(m)
	if a := c.allAliases(); a == nil || len(a) != 0 {
		t.Errorf("a new catalogue has aliases %v, want an empty list", a)
	}
	c.setAlias(store.Alias{Name: "b", Targets: []store.Target{{Model: "m", Version: 1}, {Model: "removed"}}})
	c.setAlias(store.Alias{Name: "a", Targets: []store.Target{{Model: "removed", Version: 3}}})
	c.setAlias(store.Alias{Name: "c", Targets: []store.Target{{Model: "m"}}})
	var names []string
	for _, a := range c.allAliases() {
		names = append(names, a.Name)
	}
	if got := strings.Join(names, " "); got != "a b c" {
		t.Errorf("the aliases are %q, want a b c", got)
	}
	if a, ok := c.alias("b"); !ok || a.Name != "b" {
		t.Errorf("alias returned %+v, %t", a, ok)
	}
	if _, ok := c.alias("m"); ok {
		t.Error("a model counts as an alias")
	}
	targets := c.aliasTargets()
	slices.SortFunc(targets, func(a, b *handle) int { return a.entry.Version - b.entry.Version })
	if !slices.Equal(targets, m) {
		t.Errorf("aliasTargets returned %d handles, want versions 1 and 2 of m", len(targets))
	}
	if !c.isAliased(m[0]) || c.isAliased(m[1]) { // "c" follows the current version
		t.Error("isAliased is not limited to the versions that aliases name by number")
	}
	c.removeAlias("b")
	if _, ok := c.alias("b"); ok || c.isAliased(m[0]) {
		t.Error("a removed alias is still there")
	}
}

func TestCatalogueUnloaded(t *testing.T) {
	c := newTestCatalogue(versions("m", "x"), versions("n", "x"))
	c.setUnloaded("m", true)
	if !c.isUnloaded("m") || c.isUnloaded("n") {
		t.Error("not just m is unloaded")
	}
	c.set("m", versions("m", "x", "y"))
	if !c.isUnloaded("m") {
		t.Error("set loads a model that was unloaded")
	}
	c.setUnloaded("m", false)
	if c.isUnloaded("m") {
		t.Error("m is unloaded after it was loaded")
	}
	c.setUnloaded("n", true)
	c.set("n", nil)
	c.set("n", versions("n", "x"))
	if c.isUnloaded("n") {
		t.Error("a removed model is still unloaded when its name comes back")
	}
}

func TestCatalogueSwap(t *testing.T) {
	kept, replaced, removed := versions("kept", "x"), versions("replaced", "x"), versions("removed", "x")
	c := newTestCatalogue(kept, replaced, removed)
	c.setAlias(store.Alias{Name: "before", Targets: []store.Target{{Model: "kept"}}})
	next := map[string][]*handle{
		"added":    versions("added", "x"),
		"replaced": versions("replaced", "x", "y"),
		"removed":  nil,
		"unknown":  nil,
	}
	was := c.swap(next, map[string]store.Alias{"after": {Name: "after"}})
	if got, want := describe(c), "added[1] kept[1] replaced[1 2]"; got != want {
		t.Errorf("the catalogue has %s, want %s", got, want)
	}
	want := map[string][]*handle{"added": nil, "replaced": replaced, "removed": removed, "unknown": nil}
	if !maps.EqualFunc(was, want, slices.Equal[[]*handle]) {
		t.Errorf("swap returned %v, want %v", was, want)
	}
	if a := c.allAliases(); len(a) != 1 || a[0].Name != "after" {
		t.Errorf("the aliases are %+v, want only the new one", a)
	}
}

// A swap loads a model that was unloaded if its current version has another file.
func TestCatalogueSwapLoads(t *testing.T) {
	for _, test := range []struct {
		name     string
		next     map[string][]*handle
		unloaded bool
	}{
		{"another name changes", map[string][]*handle{"other": versions("other", "x")}, true},
		{"the current version stays", map[string][]*handle{"m": {version("m", 2, "y")}}, true},
		{"a version with the same file", map[string][]*handle{"m": versions("m", "x", "y", "y")}, true},
		{"a version with another file", map[string][]*handle{"m": versions("m", "x", "y", "z")}, false},
		{"removed", map[string][]*handle{"m": nil}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newTestCatalogue(versions("m", "x", "y"))
			c.setUnloaded("m", true)
			c.swap(test.next, nil)
			if got := c.isUnloaded("m"); got != test.unloaded {
				t.Errorf("unloaded: %t, want %t", got, test.unloaded)
			}
		})
	}
}

// An alias and the version that it names change together.
func TestCatalogueSwapIsAtomic(t *testing.T) {
	m := versions("m", "x", "y")
	c := newTestCatalogue(m[:1])
	alias := func(number int) map[string]store.Alias {
		return map[string]store.Alias{"live": {Name: "live", Targets: []store.Target{{Model: "m", Version: number}}}}
	}
	c.swap(nil, alias(1))
	var all sync.WaitGroup
	resolved := make(chan struct{}, 1)
	stop := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for {
				if _, err := c.resolve("live", heaviest); err != nil {
					t.Error(err)
				}
				select {
				case resolved <- struct{}{}:
				case <-stop:
					return
				}
			}
		})
	}
	for i := range 200 {
		now := i % 2
		c.swap(map[string][]*handle{"m": m[now : now+1]}, alias(now+1))
		<-resolved
	}
	close(stop)
	all.Wait()
}

func TestHeaviestAndWeighted(t *testing.T) {
	targets := []Target{{Model: "a", Weight: 90}, {Model: "b"}, {Model: "c", Weight: 10}}
	if got := heaviest(targets).Model; got != "a" {
		t.Errorf("the heaviest target is %q, want a", got)
	}
	n := map[string]int{}
	for range 10000 {
		n[weighted(targets).Model]++
	}
	if n["a"] < 8800 || n["a"] > 9200 || n["b"] > 0 {
		t.Errorf("targets were chosen %v times, want a 9,000 times or so and b never", n)
	}
}
