package runtime

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Query chooses variants of the catalogue.
type Query struct {
	Words  string            // each must be part of the name or the family's, in either case
	Family string            // whose they are; "": any
	Order  string            // one of Orders; "" is "name"
	Allow  func(string) bool // names that may be seen; nil: all
	Offset int               // of the first one given
	From   string            // if found, the name of the first one given, in the place of Offset
	Limit  int               // how many are given; 0: all
}

// Found is a part of what a query chooses.
type Found struct {
	Variants []VariantInfo `json:"models"`
	Offset   int           `json:"offset"` // of the first of Variants in all
	Total    int           `json:"total"`
}

// orders are the keys by which a catalogue can be sorted: the larger comes first,
// and names decide between equals.
var orders = map[string]func(eng *Engine, h *handle) float64{
	"name":     func(*Engine, *handle) float64 { return 0 },
	"requests": func(_ *Engine, h *handle) float64 { return float64(h.requests.Load()) },
	"resident": func(eng *Engine, h *handle) float64 { return float64(slices.Index(residencies, eng.resident(h))) },
	"rate":     func(_ *Engine, h *handle) float64 { _, r := h.answered(); return r.rate(time.Now()) },
	"latency":  func(_ *Engine, h *handle) float64 { _, r := h.answered(); return r.took },
	"bytes":    func(_ *Engine, h *handle) float64 { return float64(h.entry.Bytes) },
	"agreement": func(_ *Engine, h *handle) float64 { // the least first, what was not measured last
		if h.entry.Agreement == 0 {
			return -2
		}
		return -h.entry.Agreement
	},
	"energy": func(_ *Engine, h *handle) float64 { return -h.entry.Energy }, // the least kept first
	"added":  func(_ *Engine, h *handle) float64 { return float64(h.entry.Added.UnixMicro()) },
}

// residencies are where a variant can be, the slowest first.
var residencies = []string{"disk", "coefficients", "slab"}

// Orders are the names of the orders that Find knows.
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
	all := eng.chosen(q)
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
		out.Variants[i].Versions = eng.numbers(h.entry.Name)
	}
	return out, nil
}

// pageLocked is how many names are looked at under one hold of the lock, for
// requests not to wait.
const pageLocked = 1000

// chosen are the current versions that a query chooses, by name.
func (eng *Engine) chosen(q Query) (out []*handle) {
	words := strings.Fields(strings.ToLower(q.Words))
	for after := ""; ; {
		page, next := eng.page(after, pageLocked)
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

// sortBy puts those with the largest key first, and leaves equals as they are.
func sortBy(all []*handle, key func(*handle) float64) {
	type keyed struct {
		h     *handle
		key   float64
		place int
	}
	list := make([]keyed, len(all))
	for i, h := range all {
		list[i] = keyed{h, key(h), i}
	}
	slices.SortFunc(list, func(a, b keyed) int { return cmp.Or(cmp.Compare(b.key, a.key), a.place-b.place) })
	for i, k := range list {
		all[i] = k.h
	}
}

// numbers are those of a name's versions.
func (eng *Engine) numbers(name string) []int {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	return numbersOf(eng.variants[name])
}

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
