package runtime

import (
	"cmp"
	"slices"
	"strings"
)

// Query chooses variants of the catalogue.
type Query struct {
	Words  string            // each must be part of the name or the family's, in either case
	Order  string            // one of Orders; "" is "name"
	Allow  func(string) bool // names that may be seen; nil: all
	Offset int               // of the first one given
	Limit  int               // how many are given; 0: all
}

// orders are the keys by which a catalogue can be sorted: the larger comes first,
// and names decide between equals.
var orders = map[string]func(eng *Engine, h *handle) float64{
	"name":     func(*Engine, *handle) float64 { return 0 },
	"requests": func(_ *Engine, h *handle) float64 { return float64(h.requests.Load()) },
	"resident": func(eng *Engine, h *handle) float64 { return float64(slices.Index(residencies, eng.resident(h))) },
	"latency":  func(_ *Engine, h *handle) float64 { return h.answered().mean() },
	"bytes":    func(_ *Engine, h *handle) float64 { return float64(h.entry.Bytes) },
	"energy":   func(_ *Engine, h *handle) float64 { return -h.entry.Energy }, // the least kept first
	"added":    func(_ *Engine, h *handle) float64 { return float64(h.entry.Added.UnixMicro()) },
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

// Find lists the current versions that a query chooses, and tells how many there
// are in all. It looks at every name, and holds the catalogue for none of that.
func (eng *Engine) Find(q Query) (list []VariantInfo, total int, err error) {
	key, ok := orders[cmp.Or(q.Order, "name")]
	if !ok {
		return nil, 0, Errorf(Invalid, "order %q: use %s", q.Order, strings.Join(Orders(), ", "))
	}
	page, _ := eng.page("", 0)
	words := strings.Fields(strings.ToLower(q.Words))
	type found struct {
		versions []*handle
		key      float64
	}
	var all []found
	for _, versions := range page {
		h := last(versions)
		if (q.Allow == nil || q.Allow(h.entry.Name)) && matches(h, words) {
			all = append(all, found{versions, key(eng, h)})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.key, a.key) })
	total = len(all)
	all = all[min(max(q.Offset, 0), total):]
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	list = make([]VariantInfo, len(all))
	for i, f := range all {
		list[i] = eng.info(last(f.versions))
		list[i].Versions = numbersOf(f.versions)
	}
	return list, total, nil
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
