package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"eigenserve/store/backend"
)

// Garbage is something in a store that nothing refers to.
type Garbage struct {
	Path  string `json:"path"` // relative to the store
	What  string `json:"what"`
	Bytes int64  `json:"bytes"`
	// Kept says why it was not removed: it is too young, in use, or the system refused.
	// It is "" for what was removed, or would be.
	Kept string `json:"kept,omitempty"`
}

// CollectOptions are the options of Collect.
type CollectOptions struct {
	// DryRun reports what would be removed and removes nothing.
	DryRun bool
	// Versions, if positive, is how many versions of each model are kept. Older ones
	// are dropped first, except those that an alias points to.
	Versions int
	// Grace is the least age of a file that is removed: another program may be about
	// to refer to one that it has just written.
	Grace time.Duration
	// Work is the least age of the newest file in a workspace that is removed.
	Work time.Duration
}

// Collect removes what nothing refers to: basis and variant files that no pointer
// leads to and no basis in use names, files of interrupted writes, and workspaces of
// fits that were given up. Other changes of the store wait for it. A program that has
// a removed file open keeps its bytes; where the system does not allow that, as on
// Windows, the file is kept.
func (s *Store) Collect(o CollectOptions) ([]Garbage, error) {
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if err := s.checkReferences(); err != nil {
		return nil, fmt.Errorf("nothing is removed: %w", err)
	}
	out, dropped, err := s.dropVersions(o)
	if err != nil {
		return out, err
	}
	blobs, err := s.unusedBlobs(dropped)
	if err != nil {
		return out, err
	}
	temporaries, err := s.temporaries()
	if err != nil {
		return out, err
	}
	workspaces, err := s.workspaces()
	if err != nil {
		return out, err
	}
	for _, c := range slices.Concat(blobs, temporaries) {
		out = append(out, s.discard(c, o.Grace, o.DryRun))
	}
	for _, c := range workspaces {
		if s.files.Locked(c.Path) {
			c.Kept = "a fit is at work"
			out = append(out, c.Garbage)
			continue
		}
		out = append(out, s.discard(c, o.Work, o.DryRun))
	}
	return out, nil
}

// checkReferences returns an error unless everything that is referred to is known. A
// pointer that is damaged, or that leads to no file because its digest is, may have led
// to any file that seems unused. So may a basis that cannot be read.
func (s *Store) checkReferences() error {
	if damaged := s.Damaged(); len(damaged) > 0 {
		return damaged[0]
	}
	names, err := fs.ReadDir(s.files, "blobs")
	if err != nil {
		return err
	}
	stored := make(map[string]bool, len(names))
	for _, e := range names {
		digest, _, _ := strings.Cut(e.Name(), ".")
		stored[digest] = true
	}
	if err := s.checkPointers(stored); err != nil {
		return err
	}
	_, bases := s.referenced(nil)
	for basis := range bases {
		if _, err := s.digestsIn(basis); err != nil {
			return err
		}
	}
	return nil
}

// checkPointers returns an error if a pointer leads to a file that is not stored.
func (s *Store) checkPointers(stored map[string]bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, f := range s.families {
		if !stored[f.Basis] {
			return fmt.Errorf("family %q needs the file %s, which is missing; restore it, or fit the family again", f.Name, short(f.Basis))
		}
	}
	for _, m := range s.models {
		for _, e := range m.versions() {
			if !stored[e.Digest] || !stored[e.Basis] {
				return fmt.Errorf("version %d of model %q needs the files %s and %s, and one of them is missing; restore it, or remove the version",
					e.Version, e.Name, short(e.Digest), short(e.Basis))
			}
		}
	}
	return nil
}

// candidate is garbage with the time of its last change.
type candidate struct {
	Garbage
	changed time.Time
}

// discard removes a candidate that is at least as old as grace. The caller holds
// change.
func (s *Store) discard(c candidate, grace time.Duration, dry bool) Garbage {
	if age := time.Since(c.changed); age < grace {
		c.Kept = fmt.Sprintf("younger than %v", grace)
		return c.Garbage
	}
	if dry {
		return c.Garbage
	}
	if err := s.lock.Discard(c.Path); err != nil {
		c.Kept = err.Error()
	}
	return c.Garbage
}

// dropVersions drops old versions and returns them, as garbage and as a set. In a dry
// run they stay, and the caller counts them as dropped.
func (s *Store) dropVersions(o CollectOptions) (out []Garbage, dropped map[Entry]bool, err error) {
	dropped = map[Entry]bool{}
	if o.Versions <= 0 {
		return nil, dropped, nil
	}
	s.mu.RLock()
	models := sorted(s.models)
	s.mu.RUnlock()
	for _, m := range models {
		left := s.prune(m.versions(), o.Versions)
		if len(left) == len(m.versions()) {
			continue
		}
		for _, e := range m.versions() {
			if !slices.Contains(left, e) {
				dropped[e] = true
				out = append(out, Garbage{Path: pointerFile("models", e.Name), What: fmt.Sprintf("version %d", e.Version), Bytes: e.Bytes})
			}
		}
		if !o.DryRun {
			if err := s.setModel(m, m.with(left)); err != nil {
				return out, dropped, err
			}
		}
	}
	return out, dropped, nil
}

// unusedBlobs lists the files in blobs/ that neither a pointer leads to nor a basis in
// use names, once some versions are dropped. The files of those versions are not
// listed: they go with them.
func (s *Store) unusedBlobs(dropped map[Entry]bool) ([]candidate, error) {
	used, bases := s.referenced(dropped)
	for basis := range bases {
		digests, err := s.digestsIn(basis)
		if err != nil {
			return nil, err
		}
		for _, digest := range digests {
			used[digest] = true
		}
	}
	for e := range dropped {
		used[e.Digest] = true
	}
	return s.list("blobs", func(name string) string {
		digest, _, _ := strings.Cut(name, ".")
		if !isDigest(digest) || used[digest] {
			return ""
		}
		return s.kindOf(name)
	})
}

// referenced returns the digests that pointers lead to, and those of them that are
// bases, once some versions are dropped.
func (s *Store) referenced(dropped map[Entry]bool) (used, bases map[string]bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	used, bases = map[string]bool{}, map[string]bool{}
	for _, f := range s.families {
		used[f.Basis], bases[f.Basis] = true, true
		used[f.Probes] = true
	}
	for _, m := range s.models {
		for _, e := range m.versions() {
			if !dropped[e] {
				used[e.Digest], used[e.Basis], bases[e.Basis] = true, true, true
			}
		}
	}
	return used, bases
}

var digestPattern = regexp.MustCompile(`[0-9a-f]{64}`)

// digestsIn returns every digest in a basis's metadata, whatever it stands for there.
// A basis that cannot be read may name files that are needed once it is restored, so
// it is an error.
func (s *Store) digestsIn(basis string) ([]string, error) {
	f, err := s.openBlob(blobFile(basis))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("basis %s: %w; restore the file or fit the family again", short(basis), err)
	}
	defer f.Close()
	var out []string
	for _, text := range f.Metadata {
		out = append(out, digestPattern.FindAllString(text, -1)...)
	}
	return out, nil
}

// kindOf describes a file in blobs/.
func (s *Store) kindOf(name string) string {
	f, err := s.openBlob("blobs/" + name)
	if err != nil {
		return "file"
	}
	defer f.Close()
	kind := strings.TrimPrefix(f.Metadata["format"], "eigenserve.")
	var h struct {
		Family string `json:"family"`
	}
	if header(f, f.Metadata["format"], &h) == nil && CheckName(h.Family) == nil {
		kind += " of family " + h.Family
	}
	if kind == "" {
		return "file"
	}
	return kind
}

// temporaries lists what interrupted writes left behind. The caller holds the lock
// under which all writes to these directories happen.
func (s *Store) temporaries() (out []candidate, err error) {
	for _, dir := range append(slices.Clone(directories), ".") {
		found, err := s.list(dir, func(name string) string {
			if backend.IsTemporary(name) {
				return "unfinished write"
			}
			return ""
		})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// list returns the regular files of a directory for which what returns a description.
// It returns none if there is no such directory.
func (s *Store) list(dir string, what func(name string) string) (out []candidate, err error) {
	entries, err := fs.ReadDir(s.files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		kind := what(e.Name())
		if kind == "" {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, candidate{Garbage{Path: path.Join(dir, e.Name()), What: kind, Bytes: info.Size()}, info.ModTime()})
	}
	return out, err
}

// workspaces lists the workspaces of fits that are under way or were given up.
func (s *Store) workspaces() (out []candidate, err error) {
	entries, err := fs.ReadDir(s.files, workspaceDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		c := candidate{Garbage: Garbage{Path: path.Join(workspaceDir, e.Name()), What: "unfinished fit"}}
		err := fs.WalkDir(s.files, c.Path, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if !d.IsDir() {
				c.Bytes += info.Size()
			}
			if info.ModTime().After(c.changed) {
				c.changed = info.ModTime()
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) { // it has just been finished
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, err
}
