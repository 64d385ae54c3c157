package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"eigenserve/store/backend"
	"eigenserve/store/backend/folder"
)

const (
	// marker is the file that makes a folder a store.
	marker      = "store.json"
	storeFormat = "eigenserve.store"
	// storeVersion is the version of the layout of the store's files.
	storeVersion = "1"
)

// directories are those that Create makes.
var directories = []string{"families", "models", "aliases", "blobs"}

// Create opens the store in the folder dir. If the folder is missing or empty, or holds
// no more than a Create that was cut off left behind, Create makes a store there first.
func Create(dir string) (*Store, error) { return CreateOn(folder.New(dir)) }

// Open opens the store in the folder dir.
func Open(dir string) (*Store, error) { return OpenOn(folder.New(dir)) }

// CreateOn is like Create for a store whose files a backend keeps.
func CreateOn(files backend.Backend) (*Store, error) {
	data, err := marshal(map[string]string{"format": storeFormat, "version": storeVersion})
	if err != nil {
		return nil, err
	}
	if _, err := files.Init(marker, data, directories...); err != nil {
		return nil, err
	}
	return OpenOn(files)
}

// OpenOn is like Open for a store whose files a backend keeps.
func OpenOn(files backend.Backend) (*Store, error) {
	var mark struct{ Format, Version string }
	if err := readJSON(files, marker, &mark); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%q: %w: it has no %s; `eigenserve fit --store DIR …` makes one in a new or empty folder", files, ErrNoStore, marker)
		}
		return nil, fmt.Errorf("%q: %s: %w", files, marker, err)
	}
	if mark.Format != storeFormat || mark.Version != storeVersion {
		return nil, fmt.Errorf("%q: %w: format %q version %q; this program reads %q version %s",
			files, ErrNoStore, mark.Format, mark.Version, storeFormat, storeVersion)
	}
	s := &Store{files: files, keep: DefaultKeep}
	var err error
	if s.seen, err = files.Changes(); err != nil { // before the pointers: the next Refresh sees a change meanwhile
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

func readJSON(files backend.Backend, name string, v any) error {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	return nil
}

// marshal returns the JSON of a pointer or the marker as it is stored.
func marshal(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", " ")
	return append(raw, '\n'), err
}
