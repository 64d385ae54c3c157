package runtime

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Query chooses variants of the catalogue.
type Query struct {
	Words  string            // each must be part of the name or of the family's name; case is ignored
	Family string            // only variants of this family; "" for any
	Order  string            // one of Orders; "" is "name"
	Allow  func(string) bool // reports whether a name may be seen; nil for all
	Offset int               // of the first variant returned
	From   string            // if found, the name of the first variant returned, instead of Offset
	Limit  int               // the most variants returned; 0 for all
}

// Found is a part of what a query chooses.
type Found struct {
	Variants []VariantInfo `json:"models"`
	Offset   int           `json:"offset"` // of the first of Variants among all
	Total    int           `json:"total"`
}

// orders are the keys that a catalogue can be sorted by. The largest key comes first;
// equals are sorted by name.
var orders = map[string]func(eng *Engine, h *handle) float64{
	"name":     func(*Engine, *handle) float64 { return 0 },
	"requests": func(_ *Engine, h *handle) float64 { return float64(h.requests.Load()) },
	"resident": func(eng *Engine, h *handle) float64 { return float64(slices.Index(residencies, eng.residency(h))) },
	"rate":     func(_ *Engine, h *handle) float64 { _, r := h.answered(); return r.rate(time.Now()) },
	"latency":  func(_ *Engine, h *handle) float64 { _, r := h.answered(); return r.took },
	"bytes":    func(_ *Engine, h *handle) float64 { return float64(h.entry.Bytes) },
	"agreement": func(_ *Engine, h *handle) float64 { // the least first, not measured last
		if h.entry.Agreement == 0 {
			return -2
		}
		return -h.entry.Agreement
	},
	"energy": func(_ *Engine, h *handle) float64 { return -h.entry.Energy }, // the least first
	"added":  func(_ *Engine, h *handle) float64 { return float64(h.entry.Added.UnixMicro()) },
}

// Orders returns the names of the orders that Find knows.
func Orders() []string {
	var out []string
	for name := range orders {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Find lists the current versions that a query chooses. It looks at every name.
func (eng *Engine) Find(q Query) (Found, error) {
	key, ok := orders[cmp.Or(q.Order, "name")]
	if !ok {
		return Found{}, Errorf(Invalid, "order %q: use %s", q.Order, strings.Join(Orders(), ", "))
	}
	all := eng.matching(q)
	if q.Order != "" && q.Order != "name" {
		sortBy(all, func(h *handle) float64 { return key(eng, h) })
	}
	out := Found{Total: len(all), Offset: min(max(q.Offset, 0), len(all))}
	if i := slices.IndexFunc(all, func(h *handle) bool { return h.entry.Name == q.From }); i >= 0 {
		out.Offset = i
	}
	all = all[out.Offset:]
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	out.Variants = make([]VariantInfo, len(all))
	for i, h := range all {
		out.Variants[i] = eng.info(h)
		out.Variants[i].Versions = eng.catalogue.numbers(h.entry.Name)
	}
	return out, nil
}

// pageSize is how many names are read under one hold of the catalogue's lock, so that
// requests need not wait long for it.
const pageSize = 1000

// matching returns the current versions that a query chooses, sorted by name.
func (eng *Engine) matching(q Query) (out []*handle) {
	words := strings.Fields(strings.ToLower(q.Words))
	for after := ""; ; {
		page, next := eng.catalogue.page(after, pageSize)
		for _, versions := range page {
			h := last(versions)
			if (q.Allow == nil || q.Allow(h.entry.Name)) && (q.Family == "" || q.Family == h.entry.Family) && matches(h, words) {
				out = append(out, h)
			}
		}
		if after = next; next == "" {
			return out
		}
	}
}

// sortBy sorts by key, the largest first. The sort is stable, and each key is read once.
func sortBy(all []*handle, key func(*handle) float64) {
	type keyed struct {
		h   *handle
		key float64
	}
	list := make([]keyed, len(all))
	for i, h := range all {
		list[i] = keyed{h, key(h)}
	}
	slices.SortStableFunc(list, func(a, b keyed) int { return cmp.Compare(b.key, a.key) })
	for i, k := range list {
		all[i] = k.h
	}
}

// matches reports whether each word is part of a version's name or family.
func matches(h *handle, words []string) bool {
	if len(words) == 0 {
		return true
	}
	name, family := strings.ToLower(h.entry.Name), strings.ToLower(h.entry.Family)
	for _, w := range words {
		if !strings.Contains(name, w) && !strings.Contains(family, w) {
			return false
		}
	}
	return true
}
