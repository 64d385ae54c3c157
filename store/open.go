package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Create opens the store in dir and makes one there if the folder is new or
// empty, or holds no more than a Create that was cut off has left.
func Create(dir string) (*Store, error) {
	fresh, err := isFresh(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !fresh {
		return Open(dir)
	}
	for _, sub := range folders {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	if err := writeJSON(filepath.Join(dir, marker), map[string]string{"format": storeFormat, "version": storeVersion}); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return Open(dir)
}

// isFresh tells whether dir is missing, empty, or holds only empty folders of
// ours and the marker's temporary file.
func isFresh(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+marker+".") {
			continue
		}
		if !slices.Contains(folders[:], e.Name()) {
			return false, nil
		}
		if inside, err := os.ReadDir(filepath.Join(dir, e.Name())); err != nil || len(inside) > 0 {
			return false, err
		}
	}
	return true, err
}

// Open reads the catalogue of the store in dir.
func Open(dir string) (*Store, error) {
	var mark struct{ Format, Version string }
	if err := readJSON(filepath.Join(dir, marker), &mark); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("store: %q: %w: it has no %s; `eigenserve fit --store %s …` makes one", dir, ErrNoStore, marker, dir)
		}
		return nil, fmt.Errorf("store: %q: %s: %w", dir, marker, err)
	}
	if mark.Format != storeFormat || mark.Version != storeVersion {
		return nil, fmt.Errorf("store: %q: %w: format %q version %q; this program reads %q version %s",
			dir, ErrNoStore, mark.Format, mark.Version, storeFormat, storeVersion)
	}
	s := &Store{dir: dir, keep: DefaultKeep}
	s.seen = s.readChanges() // before the pointers: a change meanwhile is seen by the next Refresh
	if err := s.reread(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}
