package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mixedFolders returns the folders of three checkpoints of the zoo's family and of two of
// other lineages.
func mixedFolders(t *testing.T) []string {
	t.Helper()
	folders := zooFolders(t, "models", 1)[:3]
	for _, dir := range zooFolders(t, "foreign", 1)[:2] {
		target, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "foreign-"+filepath.Base(dir))
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, link)
	}
	return folders
}

func TestFitFamilies(t *testing.T) {
	if testing.Short() {
		t.Skip("fits four families")
	}
	folders, dir := mixedFolders(t), filepath.Join(t.TempDir(), "store")
	out := must(t, append([]string{"fit", "--store", dir, "--family", "f", "--families", "auto", "--metric", "none", "--rank", "8", "--step", "2.8"}, folders...)...)
	list := must(t, "ls", "--store", dir)
	for i, path := range folders {
		family := "f-1"
		if i >= 3 {
			family = []string{"f-2", "f-3"}[i-3]
		}
		if !strings.Contains(out, "Family "+family+": ") || !strings.Contains(list, filepath.Base(path)) {
			t.Errorf("%s is not in family %s:\n%s\n%s", filepath.Base(path), family, out, list)
		}
	}
	for _, line := range strings.Split(list, "\n")[1:] {
		if name, _, _ := strings.Cut(line, " "); name != "" && strings.HasPrefix(name, "foreign") == strings.Contains(line, " f-1 ") {
			t.Errorf("in the wrong family: %s", line)
		}
	}
}

func TestFitSuggestsFamilies(t *testing.T) {
	if testing.Short() {
		t.Skip("fits a family")
	}
	args := append([]string{"fit", "--store", filepath.Join(t.TempDir(), "store"), "--family", "f", "--metric", "none", "--rank", "8", "--step", "2.8"}, mixedFolders(t)...)
	status, _, errs := program(t, args...)
	if status != 0 || !strings.Contains(errs, "better served by 3 bases") || !strings.Contains(errs, "--families auto") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// Checkpoints that the gate of one family refuses do not keep others from being fitted.
func TestFitFamiliesRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("fits three families")
	}
	dir := filepath.Join(t.TempDir(), "store")
	args := append([]string{"fit", "--store", dir, "--family", "f", "--families", "auto", "--metric", "none", "--rank", "2"}, mixedFolders(t)...)
	status, out, errs := program(t, args...)
	if status != 1 || !strings.Contains(errs, "family f-1") || !strings.Contains(out, "Family f-3") {
		t.Errorf("status %d: %s\n%s", status, errs, out)
	}
}
