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

// Find lists the current versions that a query chooses. It looks at every name,
// and holds the catalogue for none of that.
func (eng *Engine) Find(q Query) (Found, error) {
	key, ok := orders[cmp.Or(q.Order, "name")]
	if !ok {
		return Found{}, Errorf(Invalid, "order %q: use %s", q.Order, strings.Join(Orders(), ", "))
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
	out := Found{Total: len(all), Offset: min(max(q.Offset, 0), len(all))}
	if i := slices.IndexFunc(all, func(f found) bool { return last(f.versions).entry.Name == q.From }); i >= 0 {
		out.Offset = i
	}
	all = all[out.Offset:]
	if q.Limit > 0 {
		all = all[:min(q.Limit, len(all))]
	}
	out.Variants = make([]VariantInfo, len(all))
	for i, f := range all {
		out.Variants[i] = eng.info(last(f.versions))
		out.Variants[i].Versions = numbersOf(f.versions)
	}
	return out, nil
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
