package runtime

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no room, factored", Options{WeightCache: 1, Factored: true}, "more slowly"},
		{"no room, rebuilt", Options{WeightCache: 1}, "no request"},
		{"room", Options{WeightCache: 1 << 30}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			eng := tinyEngine(t, c.o)
			if err := eng.Preload(t.Context()); err != nil {
				t.Fatal(err)
			}
			lines := eng.Warnings()
			if (c.want == "") != (len(lines) == 0) || !strings.Contains(strings.Join(lines, "\n"), c.want) {
				t.Errorf("%q, want something with %q", lines, c.want)
			}
		})
	}
}
