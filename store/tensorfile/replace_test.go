package tensorfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder lists what lies beside path, hidden files too.
func folder(t *testing.T, path string) string {
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
		if err := Replace(path, text(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if got := folder(t, path); got != "current" {
			t.Errorf("the folder holds %s", got)
		}
	}
}

func TestReplaceLeavesTheOldOnFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	err := Replace(path, func(w io.Writer) error {
		io.WriteString(w, "half of the ne")
		return errBroken
	})
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want the cause and the path", err)
	}
	func() {
		defer func() { recover() }()
		Replace(path, func(io.Writer) error { panic("in the middle") })
	}()
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file holds %q", got)
	}
	if got := folder(t, path); got != "current" {
		t.Errorf("the folder holds %s", got)
	}
}

// While the new content is being written, a reader sees the old.
func TestReplaceSwitchesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	err := Replace(path, func(w io.Writer) error {
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("before the switch the file holds %q", got)
		}
		return text("new")(w)
	})
	if got, _ := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReplaceInTheWorkingFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := Replace("plain", text("x")); err != nil {
		t.Error(err)
	}
}

func TestReplaceIntoNoFolder(t *testing.T) {
	if err := Replace(filepath.Join(t.TempDir(), "none", "x"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "current")
	if err := Replace(path, text("x")); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err != nil {
		t.Error(err)
	}
	if err := Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	tensors := map[string]Tensor{"a": FromFloat32("F32", []int{2}, []float32{1, 2})}
	if err := WriteFile(path, tensors, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Tensor("a"); !ok || f.Metadata["k"] != "v" {
		t.Error("what was written is not there")
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, ok := f.Tensor("a"); ok {
		t.Error("a closed file still gives a tensor")
	}
}
