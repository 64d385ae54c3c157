package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/zoo"
)

// TestVersionsAndAliases uses versions and aliases of the embedded family, in a store and
// in a server.
func TestVersionsAndAliases(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := store.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Install(s); err != nil {
		t.Fatal(err)
	}
	names := s.Variants()
	model, other := names[0], names[1]
	file := filepath.Join(t.TempDir(), model.Name+".safetensors")
	raw, err := os.ReadFile(filepath.Join(dir, "blobs", other.Digest+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "add", file, "--store", dir)
	r := runServe(t, "--store", dir)
	for _, where := range [][]string{{"--store", dir}, {"--server", r.addr}} {
		cmd := func(args ...string) string { return must(t, append(args, where...)...) }
		if out := cmd("ls"); !strings.Contains(out, "2 (2 kept)") {
			t.Errorf("ls prints %.300q", out)
		}
		if out := cmd("show", model.Name+":1"); !strings.Contains(out, "1; also kept: [2]") || !strings.Contains(out, model.Digest) {
			t.Errorf("show of version 1 prints %q", out)
		}
		if out := cmd("show", model.Name+"@"+other.Digest[:8]); !strings.Contains(out, "2; also kept: [1]") {
			t.Errorf("show by digest prints %q", out)
		}
		canary := model.Name + ":1=90 " + other.Name + "=10"
		if out := cmd(append([]string{"alias", "live"}, strings.Fields(canary)...)...); out != "live: "+canary+"\n" {
			t.Errorf("alias prints %q", out)
		}
		if out := cmd("alias"); !strings.Contains(out, canary) {
			t.Errorf("the list of aliases is %q", out)
		}
		if out := cmd("alias", "live", model.Name); out != "live: "+model.Name+"\n" {
			t.Errorf("alias prints %q", out)
		}
		if out := cmd("show", "live"); !strings.Contains(out, other.Digest) {
			t.Errorf("show of the alias prints %q", out)
		}
		for _, wrong := range [][]string{{"rm", model.Name}, {"alias", "live", model.Name + ":7"}, {"alias", model.Name, other.Name}, {"alias", "none", "--delete"}} {
			if status, _, errs := program(t, append(wrong, where...)...); status != 1 || strings.Count(errs, "\n") != 1 {
				t.Errorf("%v: status %d, %q", wrong, status, errs)
			}
		}
		for _, wrong := range [][]string{{"alias", "live"}, {"alias", "live", "a:x"}, {"alias", "live", "a=1.5"}, {"alias", "--delete"}} {
			if status, _, errs := program(t, append(wrong, where...)...); status != 2 {
				t.Errorf("%v: status %d, %q", wrong, status, errs)
			}
		}
		cmd("alias", "live", "--delete")
	}
	r.stop()
	if status := <-r.ended; status != 0 {
		t.Error(r.errs.String())
	}
	must(t, "rm", model.Name+":2", "--store", dir)
	if out := must(t, "ls", "--store", dir); strings.Contains(out, "2 of") {
		t.Errorf("ls prints %.300q", out)
	}
}
