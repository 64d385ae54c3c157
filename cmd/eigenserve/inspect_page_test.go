package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/zoo"
)

// page writes the page of the embedded family and returns its path and its text.
func page(t *testing.T) (path, text string) {
	t.Helper()
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	dir := t.TempDir()
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zoo.Install(s); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "page.html")
	family := s.Families()[0].Name
	if out := must(t, "inspect", "--store", s.Dir(), "--family", family, "--html", path); !strings.Contains(out, "200 variants") {
		t.Errorf("inspect prints %q", out)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(raw)
}

// TestPageIsSelfContained checks that the page loads nothing.
func TestPageIsSelfContained(t *testing.T) {
	_, text := page(t)
	for _, link := range regexp.MustCompile(`(?:https?:)?//[a-zA-Z0-9.-]+\.[a-z]+[^\s"'<]*`).FindAllString(text, -1) {
		if link != "http://www.w3.org/2000/svg" {
			t.Errorf("the page names %s", link)
		}
	}
	if found := regexp.MustCompile(`<link|@import|\bsrc=|\bimport\b[^;]*from|url\(`).FindString(text); found != "" {
		t.Errorf("the page loads something: %s", found)
	}
}

// TestPageInBrowser counts what a browser draws: a line and a row for each layer, and a
// point and a row of the table for each variant.
func TestPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	path, _ := page(t)
	out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom", "file://"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	body := string(out)
	for what, want := range map[string]int{"<polyline ": 25, `class="range"`: 25, `class="fitted"`: 200, "<tr>": 201} {
		if n := strings.Count(body, what); n != want {
			t.Errorf("%d × %s, want %d", n, what, want)
		}
	}
	if strings.Contains(body, "NaN") || strings.Contains(body, "undefined</") {
		t.Error("the browser drew something that is not a number")
	}
}

func TestPageUsage(t *testing.T) {
	for _, args := range [][]string{{"inspect", "--html", "x"}, {"inspect", "--html", "x", "file"}} {
		if status, _, errs := program(t, args...); status != 2 || !strings.Contains(errs, "--family") {
			t.Errorf("%v: status %d: %s", args, status, errs)
		}
	}
}
