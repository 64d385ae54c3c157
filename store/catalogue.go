package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"eigenserve/store/backend"
)

// catalogue is the content of the pointer files.
type catalogue struct {
	families map[string]Family
	models   map[string]model
	aliases  map[string]Alias
	// uses counts the versions that point to each blob.
	uses map[string]int
	// damaged holds the pointers that cannot be read, by file. The rest of the store
	// is served without them.
	damaged map[string]damage
	// spelled holds every name in use, by directory and lower case: see fold. Models
	// and aliases share one directory.
	spelled map[string]string
}

// load reads all pointers. The caller holds change.
func (s *Store) load() error {
	c, err := readCatalogue(s.files)
	if err != nil {
		return err
	}
	s.generation++
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catalogue = c
	return nil
}

func readCatalogue(files backend.Backend) (catalogue, error) {
	c := catalogue{families: map[string]Family{}, models: map[string]model{}, aliases: map[string]Alias{},
		uses: map[string]int{}, damaged: map[string]damage{}, spelled: map[string]string{}}
	damaged := func(dir, names, remedy string) func(name string, err error) {
		return func(name string, err error) {
			file := pointerFile(dir, name)
			if system, ok := errors.AsType[*fs.PathError](err); ok { // the message names the file already
				err = system.Err
			}
			c.damaged[file] = damage{fmt.Errorf("%w: %s: %v; restore the file, or %s", ErrDamaged, file, err, remedy), contentOf(files, file)}
			c.spelled[fold(names, name)] = name
		}
	}
	if err := readPointers(files, "families", func(name string, f Family) error {
		if err := checkPointer(name, f.Name, f.Basis); err != nil {
			return err
		}
		c.families[name] = f
		c.spelled[fold("families", name)] = name
		return nil
	}, damaged("families", "families", "fit the family again")); err != nil {
		return c, err
	}
	if err := readPointers(files, "models", func(name string, m model) error {
		m.number()
		if err := m.check(name); err != nil {
			return err
		}
		c.models[name] = m
		c.spelled[fold("models", name)] = name
		for _, e := range m.versions() {
			c.uses[e.Digest]++
		}
		return nil
	}, damaged("models", "models", "remove the model and add it again")); err != nil {
		return c, err
	}
	err := readPointers(files, "aliases", func(name string, a Alias) error {
		if err := a.checkPointer(name); err != nil {
			return err
		}
		c.aliases[name] = a
		c.spelled[fold("models", name)] = name
		return nil
	}, damaged("aliases", "models", "set the alias again"))
	if errors.Is(err, fs.ErrNotExist) { // a store from before there were aliases
		err = nil
	}
	return c, err
}

// Damaged returns an error for each pointer that cannot be read, sorted by file. Their
// names stay in use, and what they may point to is kept, until they are restored,
// removed or set again.
func (s *Store) Damaged() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []error
	for _, file := range slices.Sorted(maps.Keys(s.damaged)) {
		out = append(out, s.damaged[file].err)
	}
	return out
}

// damage is what is wrong with a pointer, and contentOf its file at that time.
type damage struct {
	err     error
	content string
}

// contentOf returns a digest of what a file holds, or "" if it cannot be read.
func contentOf(files backend.Backend, name string) string {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return ""
	}
	return Digest(raw)
}

// damagedChanged reports whether the file of a damaged pointer has changed.
func (s *Store) damagedChanged() bool {
	s.mu.RLock()
	damaged := maps.Clone(s.damaged)
	s.mu.RUnlock()
	for file, found := range damaged {
		if contentOf(s.files, file) != found.content {
			return true
		}
	}
	return false
}

// notFound returns the error for a name that is not in the catalogue: its pointer is
// damaged, or there is none. The caller holds mu.
func (s *Store) notFound(dir, kind, name string) error {
	if found, ok := s.damaged[pointerFile(dir, name)]; ok {
		return fmt.Errorf("%s %q: %w", kind, name, found.err)
	}
	return fmt.Errorf("%s %q: %w", kind, name, ErrNotFound)
}
