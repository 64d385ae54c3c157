package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store/durable"
)

var errWrite = errors.New("write failed")

// siblings returns the names of all files in the directory of path.
func siblings(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	for _, want := range []string{"first", "second, longer", "3"} {
		if err := durable.Replace(path, text(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if got := siblings(t, path); got != "current" {
			t.Errorf("the directory holds %s", got)
		}
	}
}

func TestReplaceKeepsOldOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := durable.Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	err := durable.Replace(path, func(w io.Writer) error {
		io.WriteString(w, "half of the ne")
		return errWrite
	})
	if !errors.Is(err, errWrite) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want the cause and the path", err)
	}
	func() {
		defer func() { recover() }()
		durable.Replace(path, func(io.Writer) error { panic("in the middle") })
	}()
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file holds %q", got)
	}
	if got := siblings(t, path); got != "current" {
		t.Errorf("the directory holds %s", got)
	}
}

// A reader sees the old content while the new is being written.
func TestReplaceIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := durable.Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	err := durable.Replace(path, func(w io.Writer) error {
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("before the replacement the file holds %q", got)
		}
		return text("new")(w)
	})
	if got, _ := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReplaceInWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := durable.Replace("plain", text("x")); err != nil {
		t.Error(err)
	}
}

func TestReplaceInMissingDirectory(t *testing.T) {
	if err := durable.Replace(filepath.Join(t.TempDir(), "none", "x"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := durable.Replace(path, text("x")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Remove(path); err != nil {
		t.Error(err)
	}
	if err := durable.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}
