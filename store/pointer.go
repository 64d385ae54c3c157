package store

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"eigenserve/store/tensorfile"
)

func (s *Store) pointer(folder, name string) string {
	return filepath.Join(s.dir, folder, name+".json")
}

func checkPointer(file, name, digest string) error {
	if file != name || CheckName(name) != nil || !isDigest(digest) {
		return fmt.Errorf("pointer %q: %w: it names %q and digest %q", file, ErrFormat, name, digest)
	}
	return nil
}

// pointers reads every pointer file of a folder. Temporary files that a crash
// left behind end otherwise than in ".json" and are passed over.
func pointers[T any](dir string, each func(name string, p T) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || CheckName(name) != nil {
			continue
		}
		var p T
		if err := readJSON(filepath.Join(dir, e.Name()), &p); err != nil {
			return err
		}
		if err := each(name, p); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return tensorfile.Replace(path, func(w io.Writer) error {
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
		return fmt.Errorf("%q: %w: %v", path, ErrFormat, err)
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
