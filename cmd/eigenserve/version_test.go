package main

import (
	"regexp"
	"testing"
)

func TestVersion(t *testing.T) {
	out := must(t, "version")
	if !regexp.MustCompile(`^eigenserve \d+\.\d+\.\d+\n(commit .*\n)?go\S+ \w+/\w+\nkernels \w+\n$`).MatchString(out) {
		t.Errorf("version prints %q", out)
	}
	for _, flag := range []string{"--version", "-v"} {
		if got := must(t, flag); got != out {
			t.Errorf("%s prints %q, not %q", flag, got, out)
		}
	}
}
