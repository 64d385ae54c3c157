package store

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// DefaultKeep is how many versions of a name are kept unless KeepVersions is called:
// enough to go back from a bad one.
const DefaultKeep = 3

// Entry is one version of a name: the digest of its variant, and what a listing shows.
type Entry struct {
	Name        string  `json:"name"`
	Version     int     `json:"version"` // from 1; a name never uses a number twice
	Digest      string  `json:"digest"`
	Family      string  `json:"family"`
	Basis       string  `json:"basis"`
	Bytes       int64   `json:"bytes"`
	SourceBytes int64   `json:"source_bytes"`
	Classes     int     `json:"classes"`
	Step        float64 `json:"step"` // in root-mean-square coefficients
	Energy      float64 `json:"energy"`
	// Agreement is what the gate measured, or 0 if it measured nothing; see Fidelity.
	Agreement float64 `json:"agreement,omitempty"`
	// Task is the task that Agreement was measured for; see Measured.
	Task string `json:"task,omitempty"`
	Nulls
	Lossy bool      `json:"lossy,omitempty"`
	Added time.Time `json:"added"`
}

// model is a name's pointer: the current version and those before it. A file from
// before there were versions holds an Entry alone, which is version 1, and a program of
// that time reads the current version of today's files.
type model struct {
	Entry
	Next  int     `json:"next"` // the number of the next version
	Older []Entry `json:"older,omitempty"`
}

// number sets the version in a file from before there were versions.
func (m *model) number() {
	if m.Version == 0 && m.Next == 0 && len(m.Older) == 0 {
		m.Version, m.Next = 1, 2
	}
}

// check returns an error unless m is the pointer of name, with versions in ascending
// order.
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
		return fmt.Errorf("%w: the next version would be %d, but version %d exists", ErrFormat, m.Next, last)
	}
	return nil
}

// versions returns the versions, oldest first.
func (m model) versions() []Entry { return append(slices.Clip(m.Older), m.Entry) }

// with returns the pointer with other versions, at least one.
func (m model) with(versions []Entry) model {
	last := len(versions) - 1
	return model{Entry: versions[last], Next: max(m.Next, versions[last].Version+1), Older: versions[:last:last]}
}

// KeepVersions sets how many versions of a name are kept, at least 1. Older ones are
// removed when the next is put, except those that an alias points to.
func (s *Store) KeepVersions(n int) {
	s.change.Lock()
	defer s.change.Unlock()
	s.keep = max(1, n)
}

// Variants returns the current version of every name, sorted by name.
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

// Entry returns the current version of a name.
func (s *Store) Entry(name string) (Entry, error) {
	m, err := s.model(name)
	return m.Entry, err
}

// Versions returns the versions of a name, oldest first.
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
		return m, s.notFound("models", "model", name)
	}
	return m, nil
}

// Uses returns how many versions, of all names, have this digest.
func (s *Store) Uses(digest string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.uses[digest]
}

// Referenced returns the digest of every blob that a pointer leads to: the variants and
// bases of all versions, and the current basis and probe images of every family.
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

// PutVariant stores a variant's file as the next version of a name and makes it the
// current one. The caller has checked the file against its basis. Putting the file of
// the current version again makes no new version. PutVariant reports whether the name
// had a version before.
func (s *Store) PutVariant(name string, v *Variant, file []byte) (e Entry, replaced bool, err error) {
	return s.ReplaceVariant(name, "", v, file)
}

// ReplaceVariant is like PutVariant, but it fails with ErrChanged, and changes nothing,
// if the digest of the current version is not was. If was is "", it does not look.
func (s *Store) ReplaceVariant(name, was string, v *Variant, file []byte) (e Entry, replaced bool, err error) {
	end, err := s.begin()
	if err != nil {
		return e, false, err
	}
	defer end()
	if err := s.CheckModel(name); err != nil {
		return e, false, err
	}
	old, err := s.model(name)
	replaced = err == nil
	if was != "" && old.Digest != was {
		return e, false, fmt.Errorf("model %q: %w", name, ErrChanged)
	}
	if err := s.checkBasisStored(v.Basis); err != nil {
		return e, false, fmt.Errorf("model %q: %w", name, err)
	}
	digest, err := s.putBlob(file)
	if err != nil {
		return e, false, fmt.Errorf("model %q: %w", name, err)
	}
	e = Entry{Name: name, Version: max(1, old.Next), Digest: digest, Family: v.Family, Basis: v.Basis,
		Bytes: int64(len(file)), SourceBytes: v.Fidelity.Bytes.Source, Classes: len(v.Labels),
		Step: v.Fidelity.Step, Energy: v.Fidelity.Energy, Lossy: v.Fidelity.Lossy, Added: v.Provenance.Added}
	if m := v.Fidelity.Measured; m != nil {
		e.Agreement, e.Task, e.Nulls = m.Agreement, m.Task, m.nulls()
	}
	versions := []Entry{e}
	switch {
	case replaced && old.Digest == digest:
		e.Version = old.Version
		versions = append(slices.Clip(old.Older), e)
	case replaced:
		versions = s.prune(append(old.versions(), e), s.keep)
	}
	return e, replaced, s.setModel(old, old.with(versions))
}

// CheckModel returns an error unless a variant may be put under a name.
func (s *Store) CheckModel(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := s.checkSpelling("models", name); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	switch _, err := s.Alias(name); {
	case err == nil:
		return fmt.Errorf("model %q: %w: an alias has this name", name, ErrInUse)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	if _, err := s.model(name); errors.Is(err, ErrDamaged) {
		return err
	}
	return nil
}

// checkBasisStored returns an error unless a basis is in the store. One that nothing
// referred to while a variant was made from it may have been collected. The caller holds
// change.
func (s *Store) checkBasisStored(basis string) error {
	_, err := fs.Stat(s.files, blobFile(basis))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: its basis %s is no longer in the store, because no model used it; project the checkpoint onto the family's current basis", ErrBasis, short(basis))
	}
	return err
}

// prune returns the versions to keep: the last ones, at least one, and those that an
// alias points to. While a pointer is damaged it keeps all, since that may be an alias.
func (s *Store) prune(versions []Entry, keep int) []Entry {
	if len(s.Damaged()) > 0 {
		return versions
	}
	excess, current := len(versions)-keep, versions[len(versions)-1]
	return slices.DeleteFunc(versions, func(e Entry) bool {
		if excess <= 0 || e == current || s.aliasOf(e.Name, e.Version) != "" {
			return false
		}
		excess--
		return true
	})
}

// setModel writes a name's pointer and removes the files that only the old one led to.
// The caller holds change.
func (s *Store) setModel(old, now model) error {
	if err := s.putPointer("models", now.Name, now); err != nil {
		return fmt.Errorf("model %q: %w", now.Name, err)
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

// DeleteVariant removes a name with all its versions, and the files that no other name
// points to. It fails with ErrInUse if an alias points to the name.
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

// DeleteVersion removes one version of a name, and the name with the last one. If the
// version is the current one, the one before it becomes current. DeleteVersion fails
// with ErrInUse if an alias points to the version.
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
	if err := s.checkNotAliased(name, version); err != nil {
		return fmt.Errorf("version %d of model %q: %w", version, name, err)
	}
	return s.setModel(m, m.with(slices.Delete(left, i, i+1)))
}

// remove removes a name and the files that only it points to. The caller holds change.
func (s *Store) remove(name string) error {
	if err := s.checkNotAliased(name, 0); err != nil {
		return fmt.Errorf("model %q: %w", name, err)
	}
	if err := s.deletePointer("models", name); err != nil {
		return err
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

// releaseAll drops one use of each file that a pointer leads to. The caller holds change
// and mu.
func (s *Store) releaseAll(m model) {
	for _, e := range m.versions() {
		s.release(e.Digest)
	}
}
