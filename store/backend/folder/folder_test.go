package folder_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"eigenserve/store/backend"
	"eigenserve/store/backend/backendtest"
	"eigenserve/store/backend/folder"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) func() backend.Backend {
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return func() backend.Backend { return folder.New(dir) }
	})
}

func TestInit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string // those that end in a slash are directories
		made  bool
	}{
		{"missing", nil, true},
		{"empty", []string{""}, true},
		{"an interrupted Init", []string{"models/", ".store.json.0123.tmp"}, true},
		{"a store", []string{"models/", "store.json"}, false},
		{"a directory with a file", []string{"models/x"}, false},
		{"another file", []string{"photo.png"}, false},
		{"another directory", []string{"photos/"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			for _, name := range c.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path+"x"), 0o755); err != nil {
					t.Fatal(err)
				}
				if name == "" || name[len(name)-1] == '/' {
					os.MkdirAll(path, 0o755)
				} else if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			made, err := folder.New(dir).Init("store.json", []byte("new"), "models", "blobs")
			if err != nil || made != c.made {
				t.Fatalf("%t, %v, want %t", made, err, c.made)
			}
			got, err := os.ReadFile(filepath.Join(dir, "store.json"))
			if c.made && string(got) != "new" || !c.made && string(got) == "new" {
				t.Errorf("the marker holds %q, %v", got, err)
			}
			if _, err := os.Stat(filepath.Join(dir, "blobs")); (err == nil) != c.made {
				t.Errorf("the directory blobs: %v", err)
			}
		})
	}
}

// A counter that is half written counts as that of a change under way.
func TestHalfWrittenCounter(t *testing.T) {
	dir := t.TempDir()
	b := folder.New(dir)
	for content, want := range map[string]uint64{"": 1, "000": 0, "0000000000000000004\n": 4, "4x": 1} {
		if err := os.WriteFile(filepath.Join(dir, "changes"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Changes(); n != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", content, n, err, want)
		}
	}
}

// Errors of the system match those of package backend and keep their text.
func TestErrorClasses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("other error numbers")
	}
	b := folder.New(t.TempDir())
	l, err := b.Lock(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	for _, c := range []struct {
		cause error
		class error // nil: none
	}{
		{syscall.ENOSPC, backend.ErrFull}, {syscall.EDQUOT, backend.ErrFull}, {syscall.EFBIG, backend.ErrFull},
		{syscall.EROFS, backend.ErrDenied}, {syscall.EACCES, backend.ErrDenied}, {syscall.EPERM, backend.ErrDenied},
		{syscall.EACCES, backend.ErrUnavailable}, {syscall.EMFILE, backend.ErrUnavailable}, {syscall.ENFILE, backend.ErrUnavailable},
		{syscall.ENOMEM, backend.ErrUnavailable},
		{syscall.EIO, nil},
	} {
		cause := &fs.PathError{Op: "write", Path: "x", Err: c.cause}
		err := l.Put("x", func(w io.Writer) error { return cause })
		if !errors.Is(err, c.cause) || !errors.Is(err, cause) {
			t.Errorf("%v does not wrap %v", err, c.cause)
		}
		for _, class := range []error{backend.ErrFull, backend.ErrDenied, backend.ErrUnavailable} {
			want := class == c.class || class == backend.ErrUnavailable && errors.Is(c.cause, fs.ErrPermission) ||
				class == backend.ErrDenied && errors.Is(c.cause, fs.ErrPermission)
			if errors.Is(err, class) != want {
				t.Errorf("%v matches %v: %t, want %t", err, class, !want, want)
			}
		}
	}
	_, err = b.ReadFile("none")
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrUnavailable) || err.Error() != "open none: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
}
