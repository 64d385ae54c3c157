package store

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"
)

// Alias is a name that stands for one or more models. A request for it goes to one
// of its targets, chosen by weight. One write of its pointer moves it.
type Alias struct {
	Name    string    `json:"name"`
	Targets []Target  `json:"targets"`
	Updated time.Time `json:"updated"`
}

// Target is one of the models that an alias stands for.
type Target struct {
	Model string `json:"model"`
	// Version is a version of the model, or 0 for whichever is current.
	Version int `json:"version,omitempty"`
	// Weight is the target's share of the requests, relative to the other targets.
	Weight int `json:"weight"`
}

// Bounds of an alias. They keep the sum of the weights from overflowing.
const (
	maxTargets = 64
	maxWeight  = 1_000_000
)

// check reports what is wrong with an alias by itself. It does not look for the
// targets.
func (a Alias) check() error {
	if len(a.Targets) == 0 || len(a.Targets) > maxTargets {
		return fmt.Errorf("%w: it needs 1 to %d targets, not %d", ErrAlias, maxTargets, len(a.Targets))
	}
	sum := 0
	for i, t := range a.Targets {
		if err := CheckName(t.Model); err != nil {
			return fmt.Errorf("target %d: %w", i, err)
		}
		if t.Weight < 0 || t.Weight > maxWeight || t.Version < 0 {
			return fmt.Errorf("%w: target %d has version %d and weight %d; a version must not be negative and a weight must be from 0 to %d",
				ErrAlias, i, t.Version, t.Weight, maxWeight)
		}
		sum += t.Weight
	}
	if sum == 0 {
		return fmt.Errorf("%w: the weights of its targets are all zero", ErrAlias)
	}
	return nil
}

func (a Alias) checkPointer(file string) error {
	if err := checkPointer(file, a.Name); err != nil {
		return err
	}
	return a.check()
}

// Aliases returns the aliases, sorted by name.
func (s *Store) Aliases() []Alias {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sorted(s.aliases)
}

// Alias returns an alias.
func (s *Store) Alias(name string) (Alias, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.aliases[name]
	if !ok {
		return a, s.notFound("aliases", "alias", name)
	}
	return a, nil
}

// PutAlias creates or moves an alias. Every target must exist. It reports whether
// the alias existed before.
func (s *Store) PutAlias(a Alias) (replaced bool, err error) {
	if err := CheckName(a.Name); err != nil {
		return false, fmt.Errorf("alias: %w", err)
	}
	if err := a.check(); err != nil {
		return false, fmt.Errorf("alias %q: %w", a.Name, err)
	}
	a.Targets = slices.Clone(a.Targets)
	end, err := s.begin()
	if err != nil {
		return false, err
	}
	defer end()
	if err := s.checkSpelling("models", a.Name); err != nil {
		return false, fmt.Errorf("alias: %w", err)
	}
	switch _, err := s.Entry(a.Name); {
	case err == nil:
		return false, fmt.Errorf("alias %q: %w: a model has this name", a.Name, ErrInUse)
	case !errors.Is(err, ErrNotFound):
		return false, err
	}
	for _, t := range a.Targets {
		if err := s.checkTarget(t); err != nil {
			return false, fmt.Errorf("alias %q: %w", a.Name, err)
		}
	}
	if err := s.putPointer("aliases", a.Name, a); err != nil {
		return false, fmt.Errorf("alias %q: %w", a.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, replaced = s.aliases[a.Name]
	s.aliases[a.Name] = a
	s.spelled[fold("models", a.Name)] = a.Name
	delete(s.damaged, pointerFile("aliases", a.Name))
	return replaced, nil
}

// checkTarget returns an error if the store does not hold a target.
func (s *Store) checkTarget(t Target) error {
	m, err := s.model(t.Model)
	if err != nil {
		return err
	}
	if t.Version != 0 && !slices.ContainsFunc(m.versions(), func(e Entry) bool { return e.Version == t.Version }) {
		return fmt.Errorf("version %d of model %q: %w", t.Version, t.Model, ErrNotFound)
	}
	return nil
}

// DeleteAlias removes an alias. Its targets stay.
func (s *Store) DeleteAlias(name string) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	if _, err := s.Alias(name); err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if err := s.deletePointer("aliases", name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.aliases, name)
	delete(s.damaged, pointerFile("aliases", name))
	delete(s.spelled, fold("models", name))
	return nil
}

// checkNotAliased returns an error if an alias points to a version of a model, or to
// any version if version is 0. A damaged alias may point to anything.
func (s *Store) checkNotAliased(model string, version int) error {
	if alias := s.aliasOf(model, version); alias != "" {
		return fmt.Errorf("%w: alias %q points to it; move or remove the alias first", ErrInUse, alias)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for file, found := range s.damaged {
		if path.Dir(file) == "aliases" {
			return fmt.Errorf("an alias may point to it: %w", found.err)
		}
	}
	return nil
}

// aliasOf returns the name of an alias that points to a version of a model, or to any
// version if version is 0. It returns "" if there is none.
func (s *Store) aliasOf(model string, version int) string {
	for _, a := range s.Aliases() {
		for _, t := range a.Targets {
			if t.Model == model && (version == 0 || t.Version == version) {
				return a.Name
			}
		}
	}
	return ""
}
