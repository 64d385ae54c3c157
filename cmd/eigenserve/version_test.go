package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	out := must(t, "version")
	if !regexp.MustCompile(`^eigenserve \d+\.\d+\.\d+\n(commit .*\n)?go\S+ \w+/\w+\nkernels \w+\n$`).MatchString(out) {
		t.Errorf("version prints %q", out)
	}
	line, _, _ := strings.Cut(out, "\n")
	for _, flag := range []string{"--version", "-v"} {
		if got := must(t, flag); got != line+"\n" {
			t.Errorf("%s prints %q, not the line %q", flag, got, line)
		}
	}
}
