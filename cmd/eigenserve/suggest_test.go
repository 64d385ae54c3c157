package main

import (
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/zoo"
)

// TestUnknownNames gives commands names that do not exist. They suggest the one meant, or
// the command that lists the names, never a route.
func TestUnknownNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := store.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Install(s); err != nil {
		t.Fatal(err)
	}
	name := s.Variants()[0].Name
	near, far := name[:len(name)-1]+"q", strings.Repeat("z", 30)
	must(t, "alias", "production", name, "--store", dir)
	r := runServe(t, "--store", dir)
	image := write(t, "x.png", "not an image")
	for _, where := range [][]string{{"--store", dir}, {"--server", r.addr}} {
		for _, test := range []struct {
			args []string
			want string
		}{
			{[]string{"show", near}, `did you mean "`},
			{[]string{"show", far}, "`eigenserve ls` lists them"},
			{[]string{"rm", near}, `did you mean "`},
			{[]string{"rm", far}, "`eigenserve ls` lists them"},
			{[]string{"alias", "live", far}, "`eigenserve ls` lists them"},
			{[]string{"alias", "prduction", "--delete"}, `did you mean "production"?`},
			{[]string{"alias", far, "--delete"}, "`eigenserve alias` lists them"},
		} {
			status, _, errs := program(t, append(test.args, where...)...)
			if status != 1 || !strings.Contains(errs, test.want) || strings.Contains(errs, "GET /") || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s %s: status %d, %s; want %s", strings.Join(test.args, " "), where[0], status, errs, test.want)
			}
		}
	}
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"classify", "--model", near, image}, 1, "eigenserve: no model \"" + near + `"; did you mean "`},
		{[]string{"classify", "--model", far, image, image}, 1, "eigenserve: no model \"" + far + "\"; `eigenserve ls` lists them"},
		{[]string{"classify", "--model", name, "--top", "-1", image}, 2, "--top -1: give a number of labels, or 0 for all"},
		{[]string{"export", "--model", near, "--out", filepath.Join(dir, "out")}, 1, `did you mean "`},
	} {
		status, _, errs := program(t, append(test.args, "--store", dir)...)
		if status != test.status || !strings.Contains(errs, test.want) || strings.Contains(errs, "GET /") {
			t.Errorf("%s: status %d, %s; want %s", strings.Join(test.args, " "), status, errs, test.want)
		}
	}
}
