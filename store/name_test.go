package store_test

import (
	"errors"
	"strings"
	"testing"

	"eigenserve/store"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "0", "Cats-and_dogs.v2", "a.b.c", strings.Repeat("n", store.MaxName)} {
		if err := store.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for what, name := range map[string]string{
		"empty":                        "",
		"too long":                     strings.Repeat("n", store.MaxName+1),
		"a slash":                      "a/b",
		"a backslash":                  `a\b`,
		"the directory itself":         ".",
		"the directory above":          "..",
		"an escape from the directory": "../a",
		"two dots":                     "a..b",
		"hidden":                       ".a",
		"an option":                    "-a",
		"a leading underscore":         "_a",
		"a space":                      "a b",
		"a newline":                    "a\nb",
		"NUL":                          "a\x00",
		"delete":                       "a\x7f",
		"a drive":                      "c:a",
		"a wildcard":                   "a*",
		"a percent escape":             "a%2fb",
		"letters beyond ASCII":         "é",
		"a character like a slash":     "a∕b",
		"text from right to left":      "a\u202eb",
		"not UTF-8":                    "a\xff",
		"a quote":                      `a"b`,
		"a combining mark":             "e\u0301",
	} {
		err := store.CheckName(name)
		if !errors.Is(err, store.ErrName) {
			t.Errorf("%s: %v, want %v", what, err, store.ErrName)
			continue
		}
		for _, c := range err.Error() {
			if c < ' ' || c == 0x7f {
				t.Errorf("%s: the message holds control characters: %q", what, err)
			}
		}
	}
}
