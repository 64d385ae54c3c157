package runtime

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
)

func TestFind(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: tinySlab})
	for _, name := range []string{"m2", "m4", "m4"} {
		classify(t, eng, name, picture(1, 8, 8))
	}
	all := "m0 m1 m2 m3 m4 m5"
	for name, c := range map[string]struct {
		q     Query
		want  string
		total int
	}{
		"all":                        {Query{}, all, 6},
		"a page":                     {Query{Offset: 2, Limit: 3}, "m2 m3 m4", 6},
		"past the end":               {Query{Offset: 9, Limit: 3}, "", 6},
		"before the beginning":       {Query{Offset: -1, Limit: 1}, "m0", 6},
		"a part of a name":           {Query{Words: "3"}, "m3", 1},
		"in capitals":                {Query{Words: " M3 "}, "m3", 1},
		"a word of the family's too": {Query{Words: "m3 TINY"}, "m3", 1},
		"a word of none":             {Query{Words: "m3 other"}, "", 0},
		"those that may be seen":     {Query{Allow: func(n string) bool { return n > "m3" }}, "m4 m5", 2},
		"the most asked":             {Query{Order: "requests", Limit: 3}, "m4 m2 m0", 6},
		"where they are":             {Query{Order: "resident", Limit: 3}, "m4 m2 m0", 6},
	} {
		list, total, err := eng.Find(c.q)
		if got := strings.Join(names(list), " "); got != c.want || total != c.total || err != nil {
			t.Errorf("%s: %q of %d, %v; want %q of %d", name, got, total, err, c.want, c.total)
		}
	}
	for _, order := range Orders() {
		list, _, err := eng.Find(Query{Order: order})
		if got := names(list); err != nil || len(got) != 6 || !slices.Equal(slices.Sorted(slices.Values(got)), strings.Fields(all)) {
			t.Errorf("by %s: %v, %v", order, got, err)
		}
	}
	if _, _, err := eng.Find(Query{Order: "colour"}); codeOf(err) != Invalid || !strings.Contains(err.Error(), "requests") {
		t.Errorf("by colour: %v", err)
	}
	list, _, _ := eng.Find(Query{Words: "m4"})
	if v := list[0]; v.Answers != 2 || v.Took <= 0 {
		t.Errorf("m4 answered %d times in %g s", v.Answers, v.Took)
	}
}

func TestHeldEnergy(t *testing.T) {
	for _, c := range []struct {
		left []float64
		want string
	}{{[]float64{4, 2, 1, 1, 1, 1}, "[0.4 0.6 0.8 1]"}, {[]float64{10}, "[1]"}, {[]float64{5, 5}, "[0.5 1]"}, {nil, "[]"}} {
		if got := fmt.Sprint(held(store.Spectrum{Left: c.left, Energy: 10})); got != c.want {
			t.Errorf("%v: %s, want %s", c.left, got, c.want)
		}
	}
}
