package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"eigenserve/store/backend"
)

// pointerFile returns the file of a name's pointer.
func pointerFile(dir, name string) string { return dir + "/" + name + ".json" }

// checkPointer returns an error unless a pointer file holds the name it is called by,
// and digests where it should.
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

// readPointers calls each for every pointer in a directory, and damaged for those that
// cannot be read or that each refuses. It fails if a file cannot be read for a reason
// that is not its own. Files that do not end in .json are ignored, among them those of
// interrupted writes.
func readPointers[T any](files backend.Backend, dir string, each func(name string, p T) error, damaged func(name string, err error)) error {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || CheckName(name) != nil {
			continue
		}
		var p T
		err := readJSON(files, pointerFile(dir, name), &p)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since the directory was listed
			continue
		case err == nil:
			err = each(name, p)
		case errors.Is(err, backend.ErrUnavailable):
			return err
		}
		if err != nil {
			damaged(name, err)
		}
	}
	return nil
}

// putPointer writes a name's pointer. The caller holds change.
func (s *Store) putPointer(dir, name string, v any) error {
	raw, err := marshal(v)
	if err == nil {
		err = s.lock.Put(pointerFile(dir, name), func(w io.Writer) error {
			_, err := w.Write(raw)
			return err
		})
	}
	s.uncertain = s.uncertain || err != nil
	return err
}

// deletePointer removes a name's pointer. The caller holds change.
func (s *Store) deletePointer(dir, name string) error {
	err := s.lock.Delete(pointerFile(dir, name))
	s.uncertain = s.uncertain || err != nil
	return err
}

// sorted returns the values of m in the order of their keys.
func sorted[T any](m map[string]T) []T {
	out := make([]T, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[name])
	}
	return out
}
