package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"eigenserve/store/durable"
)

// Alias is a name for names: what asks for it is answered by one of its targets,
// each as often as its weight has it. It is moved by one write of its pointer.
type Alias struct {
	Name    string    `json:"name"`
	Targets []Target  `json:"targets"`
	Updated time.Time `json:"updated"`
}

// Target is one of the models that an alias stands for.
type Target struct {
	Model string `json:"model"`
	// Version is one of the model's; 0 follows its current one.
	Version int `json:"version,omitempty"`
	// Weight is its share of the requests, against those of the other targets.
	Weight int `json:"weight"`
}

// Bounds of an alias, so that a sum of weights can't overflow.
const (
	maxTargets = 64
	maxWeight  = 1_000_000
)

// check tells whether an alias can be followed; it does not look for its targets.
func (a Alias) check() error {
	if len(a.Targets) == 0 || len(a.Targets) > maxTargets {
		return fmt.Errorf("%w: it has 1 to %d targets, not %d", ErrAlias, maxTargets, len(a.Targets))
	}
	sum := 0
	for i, t := range a.Targets {
		if err := CheckName(t.Model); err != nil {
			return fmt.Errorf("target %d: %w", i, err)
		}
		if t.Weight < 0 || t.Weight > maxWeight || t.Version < 0 {
			return fmt.Errorf("%w: target %d: version %d, weight %d: versions are not negative, weights from 0 to %d",
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

// Aliases lists the aliases by name.
func (s *Store) Aliases() []Alias {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sorted(s.aliases)
}

// Alias finds an alias.
func (s *Store) Alias(name string) (Alias, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.aliases[name]
	if !ok {
		return a, s.missing("aliases", "alias", name)
	}
	return a, nil
}

// PutAlias makes an alias or moves it. Every target must be there. It tells
// whether the alias was there before.
func (s *Store) PutAlias(a Alias) (replaced bool, err error) {
	if err := CheckName(a.Name); err != nil {
		return false, fmt.Errorf("store: alias %w", err)
	}
	if err := a.check(); err != nil {
		return false, fmt.Errorf("store: alias %q: %w", a.Name, err)
	}
	a.Targets = slices.Clone(a.Targets)
	end, err := s.begin()
	if err != nil {
		return false, err
	}
	defer end()
	if err := s.spelling("models", a.Name); err != nil {
		return false, fmt.Errorf("store: alias %w", err)
	}
	switch _, err := s.Entry(a.Name); {
	case err == nil:
		return false, fmt.Errorf("store: alias %q: %w: it is the name of a model", a.Name, ErrInUse)
	case !errors.Is(err, ErrNotFound):
		return false, fmt.Errorf("store: %w", err)
	}
	for _, t := range a.Targets {
		if err := s.checkTarget(t); err != nil {
			return false, fmt.Errorf("store: alias %q: %w", a.Name, err)
		}
	}
	// Stores from before aliases have no such folder.
	if err := durable.Mkdir(filepath.Join(s.dir, "aliases")); err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	if err := s.putPointer("aliases", a.Name, a); err != nil {
		return false, fmt.Errorf("store: alias %q: %w", a.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, replaced = s.aliases[a.Name]
	s.aliases[a.Name] = a
	s.spelled[fold("models", a.Name)] = a.Name
	delete(s.damaged, pointerFile("aliases", a.Name))
	return replaced, nil
}

// checkTarget tells whether the store holds what an alias points to.
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

// DeleteAlias removes an alias; its targets stay.
func (s *Store) DeleteAlias(name string) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	if _, err := s.Alias(name); err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if err := s.dropPointer("aliases", name); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.aliases, name)
	delete(s.damaged, pointerFile("aliases", name))
	delete(s.spelled, fold("models", name))
	return nil
}

// held refuses to let go of a version of a model, or, for version 0, of all, to which an
// alias points, or might: one that can't be read may point anywhere.
func (s *Store) held(model string, version int) error {
	if alias := s.holder(model, version); alias != "" {
		return fmt.Errorf("%w: alias %q points to it; move or remove the alias first", ErrInUse, alias)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for file, found := range s.damaged {
		if filepath.Dir(file) == "aliases" {
			return fmt.Errorf("an alias may point to it: %w", found.err)
		}
	}
	return nil
}

// holder names an alias that points to a version of a model, or, for version 0,
// to any; "" if none does.
func (s *Store) holder(model string, version int) string {
	for _, a := range s.Aliases() {
		for _, t := range a.Targets {
			if t.Model == model && (version == 0 || t.Version == version) {
				return a.Name
			}
		}
	}
	return ""
}
