package store

import (
	"path/filepath"
)

// catalogue is what the pointer files say.
type catalogue struct {
	families map[string]Family
	models   map[string]model
	aliases  map[string]Alias
	// uses counts the versions that point to each blob.
	uses map[string]int
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
		uses: map[string]int{}, spelled: map[string]string{}}
	if err := pointers(filepath.Join(dir, "families"), func(name string, f Family) error {
		c.families[name] = f
		c.spelled[fold("families", name)] = name
		return checkPointer(name, f.Name, f.Basis)
	}); err != nil {
		return c, err
	}
	if err := pointers(filepath.Join(dir, "models"), func(name string, m model) error {
		m.number()
		c.models[name] = m
		c.spelled[fold("models", name)] = name
		for _, e := range m.versions() {
			c.uses[e.Digest]++
		}
		return m.check(name)
	}); err != nil {
		return c, err
	}
	err := pointers(filepath.Join(dir, "aliases"), func(name string, a Alias) error {
		c.aliases[name] = a
		c.spelled[fold("models", name)] = name
		return a.checkPointer(name)
	})
	if gone(err) { // stores from before aliases have no such folder
		err = nil
	}
	return c, err
}
