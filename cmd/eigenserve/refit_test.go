package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime"
	"eigenserve/runtime/learn"
	"eigenserve/store"
)

// TestRefitAndCollect fits a family, refits it with one checkpoint more and one less, and
// collects the garbage.
func TestRefitAndCollect(t *testing.T) {
	if testing.Short() {
		t.Skip("fits two families")
	}
	folders, dir := zooFolders(t, "models", 40)[:4], filepath.Join(t.TempDir(), "store")
	quick := []string{"--store", dir, "--family", "f", "--metric", "none", "--rank", "8", "--step", "2.8"}
	must(t, append(append([]string{"fit"}, quick...), folders[:3]...)...)
	out := must(t, append(append([]string{"refit"}, quick...), folders[1:]...)...)
	gone, more := filepath.Base(folders[0]), filepath.Base(folders[3])
	for _, says := range []string{"2 variants moved, 1 stayed", gone + " stayed on basis", "Not variants: " + more} {
		if !strings.Contains(out, says) {
			t.Errorf("refit does not print %q:\n%s", says, out)
		}
	}
	if out := must(t, "gc", "--store", dir, "--grace", "0s"); !strings.Contains(out, "Removed 0 files (0 B).") {
		t.Errorf("the old basis is in use: %s", out)
	}
	must(t, "rm", "--store", dir, gone)
	for _, name := range folders[1:3] { // the older versions use the old basis
		must(t, "rm", "--store", dir, filepath.Base(name)+":1")
	}
	if out := must(t, "gc", "--store", dir); !strings.Contains(out, "younger than") || !strings.Contains(out, "basis of family f") {
		t.Errorf("within the grace period: %s", out)
	}
	var found []store.Garbage
	if err := json.Unmarshal([]byte(must(t, "gc", "--store", dir, "--grace", "0s", "--json")), &found); err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if _, err := os.Stat(filepath.Join(dir, found[0].Path)); err == nil {
		t.Errorf("%s is still there", found[0].Path)
	}
	for _, path := range folders[1:3] {
		must(t, "show", "--store", dir, filepath.Base(path))
	}
	var done struct {
		Stayed []learn.Stay
		Unused []string
		Moved  []struct{ Now map[string]any }
	}
	raw := must(t, append(append([]string{"refit", "--json"}, quick...), folders[1:]...)...)
	if err := json.Unmarshal([]byte(raw), &done); err != nil || done.Stayed == nil || len(done.Unused) != 1 {
		t.Errorf("%+v, %v: %s", done, err, raw)
	}
	for _, v := range done.Moved {
		if v.Now["digest"] == nil || v.Now["resident"] != "disk" {
			t.Errorf("the new version has not the keys of a list of models: %v", v.Now)
		}
	}
	status, out, errs := program(t, "refit", "--store", dir, "--family", "f", "--metric", "none", "--rank", "4", "--max-kl", "1e-9", "--variant-budget", "9", folders[1])
	if status != 1 || !strings.Contains(out, "0 variants moved") || !strings.Contains(errs, "1 of 1 variant could not be moved") {
		t.Errorf("refused: status %d\n%s\n%s", status, out, errs)
	}
}

func TestRefitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no store":           {[]string{"refit", "--family", "f", "x"}, 2, "--store"},
		"no checkpoints":     {[]string{"refit", "--store", "s", "--family", "f"}, 2, "needs at least one CHECKPOINT"},
		"a bad metric":       {[]string{"refit", "--store", "s", "--family", "f", "--metric", "x", "x"}, 2, "--metric"},
		"not a store":        {[]string{"refit", "--store", t.TempDir(), "--family", "f", "x"}, 1, "eigenserve fit"},
		"gc of no store":     {[]string{"gc"}, 2, "--store"},
		"gc, negative grace": {[]string{"gc", "--store", "s", "--grace", "-1s"}, 2, "--grace"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, errs := program(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.says) {
				t.Errorf("status %d: %s", status, errs)
			}
		})
	}
}

// The command that makes a version says how many are kept.
func TestFitKeepsVersions(t *testing.T) {
	dir, own := filepath.Join(t.TempDir(), "store"), makeCheckpoints(t, t.TempDir(), 3, 1)
	for _, c := range []struct {
		command, step, keep string
		on                  []string
		want                []int
	}{{"fit", "1", "3", own[:2], []int{1}}, {"fit", "2", "1", own[:2], []int{2}}, {"refit", "3", "4", own, []int{2, 3}}, {"refit", "4", "1", own[:2], []int{4}}} {
		must(t, append([]string{c.command, "--store", dir, "--family", "f", "--metric", "none", "--step", c.step, "--keep-versions", c.keep}, c.on...)...)
		var d runtime.VariantDetail
		decode(t, must(t, "show", filepath.Base(own[0]), "--json", "--store", dir), &d)
		if !slices.Equal(d.Versions, c.want) {
			t.Errorf("%s --step %s --keep-versions %s: versions %v, want %v", c.command, c.step, c.keep, d.Versions, c.want)
		}
	}
}

// If no checkpoint passes the gate, only the basis is stored, and the summary says so.
func TestFitAllRefused(t *testing.T) {
	own := makeCheckpoints(t, t.TempDir(), 2, 1)
	status, out, errs := program(t, append([]string{"fit", "--store", filepath.Join(t.TempDir(), "store"), "--family", "f", "--metric", "none", "--variant-budget", "10"}, own...)...)
	if status != 1 || !strings.HasPrefix(out, "Family f: a basis of") || !strings.Contains(errs, "2 of 2 checkpoints were refused; only the basis is stored") {
		t.Errorf("status %d\n%s\n%s", status, out, errs)
	}
}
