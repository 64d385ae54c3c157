package store

import (
	"fmt"
	"maps"
	"slices"
)

// catalogue is what the pointer files say.
type catalogue struct {
	families map[string]Family
	models   map[string]model
	aliases  map[string]Alias
	// uses counts the versions that point to each blob.
	uses map[string]int
	// damaged says of each pointer that can't be read what is wrong, by its file. The
	// rest of the store is served without it.
	damaged map[string]error
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
		uses: map[string]int{}, damaged: map[string]error{}, spelled: map[string]string{}}
	damaged := func(folder, names, remedy string) func(name string, err error) {
		return func(name string, err error) {
			file := pointerFile(folder, name)
			c.damaged[file] = fmt.Errorf("%w: %s: %v; restore the file, or %s", ErrDamaged, file, err, remedy)
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
		out = append(out, s.damaged[file])
	}
	return out
}

// missing says why a name leads to nothing. The caller holds mu.
func (s *Store) missing(folder, kind, name string) error {
	if err := s.damaged[pointerFile(folder, name)]; err != nil {
		return fmt.Errorf("%s %q: %w", kind, name, err)
	}
	return fmt.Errorf("%s %q: %w", kind, name, ErrNotFound)
}
