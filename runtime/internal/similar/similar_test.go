package similar_test

import (
	"fmt"
	"strings"
	"testing"

	"eigenserve/runtime/internal/similar"
)

func TestName(t *testing.T) {
	names := []string{"a1", "birds", "music-1", "sans-lao", "sans-lao-2", "sans-takri", "warblers", "warblers-of-the-north", "ΑΒΓΔ", "x"}
	for name, want := range map[string]string{
		"warbler": "warblers", "wablers": "warblers", "warlbers": "warblers", "warblersss": "warblers", "Warblers": "warblers", "wxrblxrs": "warblers",
		"wxxblxrs": "", "warb": "warblers", "warblers-of": "warblers-of-the-north", "brids": "birds", "bird": "birds", "sans-lao2": "sans-lao",
		"sans_takri": "sans-takri", "sans": "sans-lao", "sa": "", "a2": "a1", "y": "", "": "", "zebra": "", "αβγδ": "ΑΒΓΔ", "αβγ": "ΑΒΓΔ", "music-2": "music-1",
		strings.Repeat("w", 1000): "", "\xff\xfe\xfd\xfc": "",
	} {
		if got := similar.Name(name, names, nil); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
	hidden := func(name string) bool { return !strings.HasPrefix(name, "warblers") }
	if got := similar.Name("warbler", names, hidden); got != "" {
		t.Errorf("a hidden name is suggested: %q", got)
	}
	if got := similar.Name("sans-lap", names, func(name string) bool { return name == "sans-lao-2" }); got != "" {
		t.Errorf("a name too far away is suggested: %q", got)
	}
}

// BenchmarkName searches as many names as the engine looks at.
func BenchmarkName(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("sans-model-%05d", i)
	}
	for b.Loop() {
		similar.Name("sans-modle-0512x", names, nil)
	}
}
