package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// catalogue is what the pointer files say.
type catalogue struct {
	families map[string]Family
	models   map[string]model
	aliases  map[string]Alias
	// uses counts the versions that point to each blob.
	uses map[string]int
	// damaged are the pointers that can't be read, by their files. The rest of the
	// store is served without them.
	damaged map[string]damage
	// spelled holds every name in use by its folder and lower case. Models and
	// aliases share one.
	spelled map[string]string
}

// reread reads all pointers. The caller holds change.
func (s *Store) reread() error {
	c, err := readCatalogue(s.dir)
	if err != nil {
		return err
	}
	s.reading++
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catalogue = c
	return nil
}

func readCatalogue(dir string) (catalogue, error) {
	c := catalogue{families: map[string]Family{}, models: map[string]model{}, aliases: map[string]Alias{},
		uses: map[string]int{}, damaged: map[string]damage{}, spelled: map[string]string{}}
	damaged := func(folder, names, remedy string) func(name string, err error) {
		return func(name string, err error) {
			file := pointerFile(folder, name)
			if system, ok := errors.AsType[*fs.PathError](err); ok { // where the store lies is nobody's business
				err = system.Err
			}
			c.damaged[file] = damage{fmt.Errorf("%w: %s: %v; restore the file, or %s", ErrDamaged, file, err, remedy), contentOf(filepath.Join(dir, file))}
			c.spelled[fold(names, name)] = name
		}
	}
	if err := pointers(dir, "families", func(name string, f Family) error {
		if err := checkPointer(name, f.Name, f.Basis); err != nil {
			return err
		}
		c.families[name] = f
		c.spelled[fold("families", name)] = name
		return nil
	}, damaged("families", "families", "fit the family again")); err != nil {
		return c, err
	}
	if err := pointers(dir, "models", func(name string, m model) error {
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
	err := pointers(dir, "aliases", func(name string, a Alias) error {
		if err := a.checkPointer(name); err != nil {
			return err
		}
		c.aliases[name] = a
		c.spelled[fold("models", name)] = name
		return nil
	}, damaged("aliases", "models", "set the alias again"))
	if gone(err) { // stores from before aliases have no such folder
		err = nil
	}
	return c, err
}

// Damaged tells what is wrong with the pointers that can't be read, by their files.
// The names are in use all the same; what they led to is kept until they are
// restored, removed or set again.
func (s *Store) Damaged() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []error
	for _, file := range slices.Sorted(maps.Keys(s.damaged)) {
		out = append(out, s.damaged[file].err)
	}
	return out
}

// damage is what is wrong with a pointer, and what its file was then.
type damage struct {
	err     error
	content string
}

// contentOf tells one content of a file from another, and from one that can't be read.
func contentOf(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return Digest(raw)
}

// restored tells whether a damaged pointer is another now.
func (s *Store) restored() bool {
	s.mu.RLock()
	damaged := maps.Clone(s.damaged)
	s.mu.RUnlock()
	for file, was := range damaged {
		if contentOf(filepath.Join(s.dir, file)) != was.content {
			return true
		}
	}
	return false
}

// missing says why a name leads to nothing. The caller holds mu.
func (s *Store) missing(folder, kind, name string) error {
	if found, ok := s.damaged[pointerFile(folder, name)]; ok {
		return fmt.Errorf("%s %q: %w", kind, name, found.err)
	}
	return fmt.Errorf("%s %q: %w", kind, name, ErrNotFound)
}
