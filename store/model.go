package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// DefaultKeep is how many versions of a name are kept unless KeepVersions says
// otherwise: enough to go back from a bad one.
const DefaultKeep = 3

// Entry is one version of a name: its variant, with what a list shows of it.
type Entry struct {
	Name        string  `json:"name"`
	Version     int     `json:"version"` // from 1; no number of a name is used twice
	Digest      string  `json:"digest"`
	Family      string  `json:"family"`
	Basis       string  `json:"basis"`
	Bytes       int64   `json:"bytes"`
	SourceBytes int64   `json:"source_bytes"`
	Classes     int     `json:"classes"`
	Step        float64 `json:"step"` // in root-mean-square coefficients
	Energy      float64 `json:"energy"`
	// Agreement is what the gate measured, 0 where nothing was; see Fidelity.
	Agreement float64 `json:"agreement,omitempty"`
	Nulls
	Lossy bool      `json:"lossy,omitempty"`
	Added time.Time `json:"added"`
}

// model is a name's pointer file: the version that the name alone stands for,
// and those before it. A file from before there were versions is one of version
// 1 with none before it, and a program from then reads the current version here.
type model struct {
	Entry
	Next  int     `json:"next"` // number of the next version
	Older []Entry `json:"older,omitempty"`
}

// number gives the version of a file from before there were versions.
func (m *model) number() {
	if m.Version == 0 && m.Next == 0 && len(m.Older) == 0 {
		m.Version, m.Next = 1, 2
	}
}

// check tells whether the pointer of a name is in order.
func (m model) check(name string) error {
	last := 0
	for _, e := range m.versions() {
		if err := checkPointer(name, e.Name, e.Digest, e.Basis); err != nil {
			return err
		}
		if e.Version <= last {
			return fmt.Errorf("%w: version %d comes after version %d", ErrFormat, e.Version, last)
		}
		last = e.Version
	}
	if m.Next <= last {
		return fmt.Errorf("%w: the next version would be %d, %d is there", ErrFormat, m.Next, last)
	}
	return nil
}

// versions lists them, the oldest first.
func (m model) versions() []Entry { return append(slices.Clip(m.Older), m.Entry) }

// of is the pointer with these versions, at least one.
func (m model) of(versions []Entry) model {
	last := len(versions) - 1
	return model{Entry: versions[last], Next: max(m.Next, versions[last].Version+1), Older: versions[:last:last]}
}

// KeepVersions sets how many versions of a name are kept at least, 1 or more:
// older ones go when the next is put, except those that an alias names.
func (s *Store) KeepVersions(n int) {
	s.change.Lock()
	defer s.change.Unlock()
	s.keep = max(1, n)
}

// Variants lists the current version of every name, by name.
func (s *Store) Variants() []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	models := sorted(s.models)
	out := make([]Entry, len(models))
	for i, m := range models {
		out[i] = m.Entry
	}
	return out
}

// Entry finds a name's current version.
func (s *Store) Entry(name string) (Entry, error) {
	m, err := s.model(name)
	return m.Entry, err
}

// Versions lists the versions of a name, the oldest first.
func (s *Store) Versions(name string) ([]Entry, error) {
	m, err := s.model(name)
	if err != nil {
		return nil, err
	}
	return m.versions(), nil
}

func (s *Store) model(name string) (model, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, ok := s.models[name]
	if !ok {
		return m, s.missing("models", "model", name)
	}
	return m, nil
}

// Uses counts the versions of any name that have this digest.
func (s *Store) Uses(digest string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.uses[digest]
}

// Referenced gives the digest of every blob that a pointer leads to: every
// version's file, the bases they stand on, and every family's current basis with
// its probe images.
func (s *Store) Referenced() map[string]bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]bool, len(s.uses)+len(s.families))
	for _, f := range s.families {
		all[f.Basis] = true
		if f.Probes != "" {
			all[f.Probes] = true
		}
	}
	for _, m := range s.models {
		for _, e := range m.versions() {
			all[e.Digest], all[e.Basis] = true, true
		}
	}
	return all
}

// PutVariant stores a variant's file as the next version of a name, which is
// its current one from then on. The caller has checked the file against its
// basis. The file of the current version again makes no new one. It tells
// whether the name had a version before.
func (s *Store) PutVariant(name string, v *Variant, file []byte) (e Entry, replaced bool, err error) {
	return s.ReplaceVariant(name, "", v, file)
}

// ReplaceVariant is PutVariant, but it fails with ErrChanged, and changes nothing,
// where the current version of the name has not the digest was; "" takes any, or none.
func (s *Store) ReplaceVariant(name, was string, v *Variant, file []byte) (e Entry, replaced bool, err error) {
	end, err := s.begin()
	if err != nil {
		return e, false, err
	}
	defer end()
	if err := s.CheckModel(name); err != nil {
		return e, false, fmt.Errorf("store: %w", err)
	}
	old, err := s.model(name)
	replaced = err == nil
	if was != "" && old.Digest != was {
		return e, false, fmt.Errorf("store: model %q: %w", name, ErrChanged)
	}
	if err := s.standing(v.Basis); err != nil {
		return e, false, fmt.Errorf("store: model %q: %w", name, err)
	}
	digest, err := s.putBlob(file)
	if err != nil {
		return e, false, fmt.Errorf("store: model %q: %w", name, err)
	}
	e = Entry{Name: name, Version: max(1, old.Next), Digest: digest, Family: v.Family, Basis: v.Basis,
		Bytes: int64(len(file)), SourceBytes: v.Fidelity.Bytes.Source, Classes: len(v.Labels),
		Step: v.Fidelity.Step, Energy: v.Fidelity.Energy, Lossy: v.Fidelity.Lossy, Added: v.Provenance.Added}
	if m := v.Fidelity.Measured; m != nil {
		e.Agreement, e.Nulls = m.Agreement, m.nulls()
	}
	versions := []Entry{e}
	switch {
	case replaced && old.Digest == digest:
		e.Version = old.Version
		versions = append(slices.Clip(old.Older), e)
	case replaced:
		versions = s.prune(append(old.versions(), e), s.keep)
	}
	return e, replaced, s.setModel(old, old.of(versions))
}

// CheckModel tells whether a variant may be put under a name.
func (s *Store) CheckModel(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("model %w", err)
	}
	if err := s.spelling("models", name); err != nil {
		return fmt.Errorf("model %w", err)
	}
	switch _, err := s.Alias(name); {
	case err == nil:
		return fmt.Errorf("model %q: %w: it is the name of an alias", name, ErrInUse)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	if _, err := s.model(name); errors.Is(err, ErrDamaged) {
		return err
	}
	return nil
}

// standing tells whether a basis is there to be referred to: one that nothing
// referred to when its variant was made may have been collected since. The caller
// holds change.
func (s *Store) standing(basis string) error {
	_, err := os.Stat(s.blob(basis))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: its basis %s is not in the store, where no other model needed it; project the checkpoint onto the family's present one", ErrBasis, short(basis))
	}
	return err
}

// prune leaves of a name's versions those to keep: the last ones, at least the
// very last, and those that an alias names, or might if it could be read.
func (s *Store) prune(versions []Entry, keep int) []Entry {
	if len(s.Damaged()) > 0 {
		return versions
	}
	excess, current := len(versions)-keep, versions[len(versions)-1]
	return slices.DeleteFunc(versions, func(e Entry) bool {
		if excess <= 0 || e == current || s.holder(e.Name, e.Version) != "" {
			return false
		}
		excess--
		return true
	})
}

// setModel writes a name's pointer and lets go of the files that only the old
// one led to. The caller holds change.
func (s *Store) setModel(old, now model) error {
	if err := s.putPointer("models", now.Name, now); err != nil {
		return fmt.Errorf("store: model %q: %w", now.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models[now.Name] = now
	s.spelled[fold("models", now.Name)] = now.Name
	for _, e := range now.versions() {
		s.uses[e.Digest]++
	}
	if old.Name != "" {
		s.releaseAll(old)
	}
	return nil
}

// DeleteVariant removes a name with all its versions, and the files that no
// other name points to. What an alias points to is not removed.
func (s *Store) DeleteVariant(name string) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	if _, err := s.model(name); err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	return s.remove(name)
}

// DeleteVersion removes one version of a name; with the last one goes the name.
// Removing the current one makes the one before it current.
func (s *Store) DeleteVersion(name string, version int) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	m, err := s.model(name)
	if err != nil {
		return err
	}
	left := m.versions()
	i := slices.IndexFunc(left, func(e Entry) bool { return e.Version == version })
	switch {
	case i < 0:
		return fmt.Errorf("version %d of model %q: %w", version, name, ErrNotFound)
	case len(left) == 1:
		return s.remove(name)
	}
	if err := s.held(name, version); err != nil {
		return fmt.Errorf("version %d of model %q: %w", version, name, err)
	}
	return s.setModel(m, m.of(slices.Delete(left, i, i+1)))
}

// remove deletes a name's pointer. The caller holds change.
func (s *Store) remove(name string) error {
	if err := s.held(name, 0); err != nil {
		return fmt.Errorf("model %q: %w", name, err)
	}
	if err := s.dropPointer("models", name); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.models[name]; ok {
		s.releaseAll(m)
	}
	delete(s.models, name)
	delete(s.damaged, pointerFile("models", name))
	delete(s.spelled, fold("models", name))
	return nil
}

// releaseAll drops the uses of a pointer's files. The caller holds both locks.
func (s *Store) releaseAll(m model) {
	for _, e := range m.versions() {
		s.release(e.Digest)
	}
}
