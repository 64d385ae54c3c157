package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"eigenserve/store/durable"
)

func (s *Store) pointer(folder, name string) string {
	return filepath.Join(s.dir, pointerFile(folder, name))
}

// pointerFile is where a name's pointer lies in the store's folder.
func pointerFile(folder, name string) string { return filepath.Join(folder, name+".json") }

func checkPointer(file, name string, digests ...string) error {
	if file != name {
		return fmt.Errorf("%w: it is the pointer of %q", ErrFormat, name)
	}
	for _, d := range digests {
		if !isDigest(d) {
			return fmt.Errorf("%w: %q is not a digest", ErrFormat, d)
		}
	}
	return nil
}

// isOfAll tells whether that a file can't be read is no fault of its own.
func isOfAll(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// pointers reads every pointer file of a folder, and tells of those that are damaged.
// Temporary files that a crash left behind end otherwise than in ".json" and are
// passed over.
func pointers[T any](dir, folder string, each func(name string, p T) error, damaged func(name string, err error)) error {
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || CheckName(name) != nil {
			continue
		}
		var p T
		err := readJSON(filepath.Join(dir, folder, e.Name()), &p)
		switch {
		case gone(err):
			continue
		case err == nil:
			err = each(name, p)
		case isOfAll(err):
			return err
		}
		if err != nil {
			damaged(name, err)
		}
	}
	return nil
}

// putPointer writes a name's pointer. The caller holds change.
func (s *Store) putPointer(folder, name string, v any) error {
	err := writeJSON(s.pointer(folder, name), v)
	s.unsure = s.unsure || err != nil
	return err
}

// dropPointer removes one. The caller holds change.
func (s *Store) dropPointer(folder, name string) error {
	err := durable.Remove(s.pointer(folder, name))
	s.unsure = s.unsure || err != nil
	return err
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return durable.Replace(path, func(w io.Writer) error {
		_, err := w.Write(append(raw, '\n'))
		return err
	})
}

func readJSON(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	return nil
}

func sorted[T any](m map[string]T) []T {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	out := make([]T, len(names))
	for i, name := range names {
		out[i] = m[name]
	}
	return out
}
