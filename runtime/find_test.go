package runtime

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store"
)

func TestFind(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: tinySlab})
	for _, name := range []string{"m2", "m4", "m4"} {
		classify(t, eng, name, picture(1, 8, 8))
	}
	all := "m0 m1 m2 m3 m4 m5"
	for name, test := range map[string]struct {
		q     Query
		want  string
		total int
	}{
		"all":                     {Query{}, all, 6},
		"a page":                  {Query{Offset: 2, Limit: 3}, "m2 m3 m4", 6},
		"from a name":             {Query{From: "m3", Limit: 2}, "m3 m4", 6},
		"from a name in an order": {Query{From: "m2", Order: "requests", Limit: 1}, "m2", 6},
		"from a name not found":   {Query{From: "m9", Offset: 1, Limit: 1}, "m1", 6},
		"past the end":            {Query{Offset: 9, Limit: 3}, "", 6},
		"before the beginning":    {Query{Offset: -1, Limit: 1}, "m0", 6},
		"a part of a name":        {Query{Words: "3"}, "m3", 1},
		"in capitals":             {Query{Words: " M3 "}, "m3", 1},
		"a word of the family":    {Query{Words: "m3 TINY"}, "m3", 1},
		"a word that nothing has": {Query{Words: "m3 other"}, "", 0},
		"names that are allowed":  {Query{Allow: func(n string) bool { return n > "m3" }}, "m4 m5", 2},
		"by requests":             {Query{Order: "requests", Limit: 3}, "m4 m2 m0", 6},
		"by rate":                 {Query{Order: "rate", Limit: 1}, "m4", 6},
		"by residency":            {Query{Order: "resident", Limit: 3}, "m4 m2 m0", 6},
	} {
		f, err := eng.Find(test.q)
		if got := strings.Join(namesOf(f.Variants), " "); got != test.want || f.Total != test.total || err != nil {
			t.Errorf("%s: %q of %d, %v; want %q of %d", name, got, f.Total, err, test.want, test.total)
		}
	}
	if f, err := eng.Find(Query{From: "m2", Order: "requests", Limit: 1}); f.Offset != 1 || err != nil {
		t.Errorf("by requests, m2 is at %d, %v; want 1", f.Offset, err)
	}
	for name, agreement := range map[string]float64{"m0": 0, "m1": 1, "m2": 0.9, "m3": 0.5, "m4": 1, "m5": 0} {
		last(eng.catalogue.of(name)).entry.Agreement = agreement
	}
	if f, err := eng.Find(Query{Order: "agreement"}); strings.Join(namesOf(f.Variants), " ") != "m3 m2 m1 m4 m0 m5" || err != nil {
		t.Errorf("by agreement: %v, %v; want the least first and those without one last", namesOf(f.Variants), err)
	}
	for _, order := range Orders() {
		f, err := eng.Find(Query{Order: order})
		if got := namesOf(f.Variants); err != nil || len(got) != 6 || !slices.Equal(slices.Sorted(slices.Values(got)), strings.Fields(all)) {
			t.Errorf("by %s: %v, %v; want all names", order, got, err)
		}
	}
	if _, err := eng.Find(Query{Order: "colour"}); codeOf(err) != Invalid || !strings.Contains(err.Error(), "requests") {
		t.Errorf("by colour: %v, want code Invalid and the orders there are", err)
	}
	if f, err := eng.Find(Query{Family: "other"}); err != nil || f.Total != 0 {
		t.Errorf("of another family: %+v, %v; want none", f, err)
	}
	f, _ := eng.Find(Query{Words: "m4", Family: testfamily.Name})
	if v := f.Variants[0]; v.Answers != 2 || v.Took <= 0 || v.Rate <= 0 || v.Latency <= 0 {
		t.Errorf("m4 is %+v, want 2 answers and what they took", v)
	}
}

// BenchmarkFind finds a page of 100,000 variants.
func BenchmarkFind(b *testing.B) {
	eng := tinyEngine(b, Options{})
	eng.catalogue = newCatalogue()
	for i := range 100_000 {
		name := fmt.Sprintf("model-%05d", i)
		eng.catalogue.set(name, []*handle{newHandle(store.Entry{Name: name, Family: testfamily.Name, Version: 1})})
	}
	for _, q := range []Query{{}, {Offset: 99_900}, {From: "model-50000"}, {Words: "9999"}, {Order: "requests"}, {Order: "resident"}, {Order: "latency"}} {
		q.Limit = 100
		b.Run(fmt.Sprintf("words=%s/order=%s/offset=%d/from=%s", q.Words, q.Order, q.Offset, q.From), func(b *testing.B) {
			for b.Loop() {
				if f, err := eng.Find(q); err != nil || f.Total == 0 {
					b.Fatal(f.Total, err)
				}
			}
		})
	}
}
