package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"eigenserve/store/tensorfile"
)

// Garbage is something in the store's folder that nothing refers to.
type Garbage struct {
	Path  string `json:"path"` // from the store's folder
	What  string `json:"what"`
	Bytes int64  `json:"bytes"`
	// Kept says why it was left where it is: it is too young, or the system
	// refused; "" of what was removed, or would be.
	Kept string `json:"kept,omitempty"`
}

// CollectOptions of a collection.
type CollectOptions struct {
	DryRun bool
	// Versions, where it is positive, is how many versions of each model are kept:
	// older ones are let go first, except those that an alias names.
	Versions int
	// Grace is how old a file has to be: one that another program has just
	// written may be about to be referred to.
	Grace time.Duration
	// Work is how old the newest file has to be in a folder of unfinished work.
	Work time.Duration
}

// Collect removes what nothing refers to: files of bases and variants to which no
// pointer leads, of which a basis in use names none either; what writes that were
// cut off have left; and unfinished fits that nobody continues. Other changes of
// the store wait meanwhile. Whoever has a file open keeps it: a name is removed,
// the bytes go with the last who reads them, and where the system refuses that,
// as Windows does, the file is kept.
func (s *Store) Collect(o CollectOptions) ([]Garbage, error) {
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if err := s.sound(); err != nil {
		return nil, fmt.Errorf("store: nothing is removed: %w", err)
	}
	out, let, err := s.letVersionsGo(o)
	if err != nil {
		return out, err
	}
	blobs, err := s.unusedBlobs(let)
	if err != nil {
		return out, fmt.Errorf("store: %w", err)
	}
	debris, err := s.debris()
	if err != nil {
		return out, fmt.Errorf("store: %w", err)
	}
	work, err := s.unfinished()
	if err != nil {
		return out, fmt.Errorf("store: %w", err)
	}
	for _, c := range slices.Concat(blobs, debris) {
		out = append(out, s.dispose(c, o.Grace, o.DryRun))
	}
	for _, c := range work {
		if atWork(filepath.Join(s.dir, c.Path)) {
			c.Kept = "a fit is at work"
			out = append(out, c.Garbage)
			continue
		}
		out = append(out, s.dispose(c, o.Work, o.DryRun))
	}
	return out, nil
}

// sound tells whether all that is referred to can be told from what isn't. A pointer
// that is damaged, or that leads to nothing since a digit of it is, may have led to any
// file that seems unused; so may a basis that can't be read.
func (s *Store) sound() error {
	if damaged := s.Damaged(); len(damaged) > 0 {
		return damaged[0]
	}
	names, err := os.ReadDir(filepath.Join(s.dir, "blobs"))
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(names))
	for _, e := range names {
		digest, _, _ := strings.Cut(e.Name(), ".")
		there[digest] = true
	}
	if err := s.leads(there); err != nil {
		return err
	}
	_, bases := s.reached(nil)
	for basis := range bases {
		if _, err := s.namedBy(basis); err != nil {
			return err
		}
	}
	return nil
}

// leads tells whether all pointers lead to files that are there.
func (s *Store) leads(there map[string]bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, f := range s.families {
		if !there[f.Basis] {
			return fmt.Errorf("family %q leads to the file %s, which is not there; restore it, or fit the family again", f.Name, short(f.Basis))
		}
	}
	for _, m := range s.models {
		for _, e := range m.versions() {
			if !there[e.Digest] || !there[e.Basis] {
				return fmt.Errorf("version %d of model %q leads to the files %s and %s, of which one is not there; restore it, or remove the version",
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

func (s *Store) dispose(c candidate, grace time.Duration, dry bool) Garbage {
	if age := time.Since(c.changed); age < grace {
		c.Kept = fmt.Sprintf("younger than %v", grace)
		return c.Garbage
	}
	if dry {
		return c.Garbage
	}
	if err := os.RemoveAll(filepath.Join(s.dir, c.Path)); err != nil {
		c.Kept = err.Error()
	}
	return c.Garbage
}

// letVersionsGo lets go of old versions, and gives them by their digests. In a dry
// run they stay, and are to be taken for gone.
func (s *Store) letVersionsGo(o CollectOptions) (out []Garbage, let map[Entry]bool, err error) {
	let = map[Entry]bool{}
	if o.Versions <= 0 {
		return nil, let, nil
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
				let[e] = true
				out = append(out, Garbage{Path: filepath.Join("models", e.Name+".json"), What: fmt.Sprintf("version %d", e.Version), Bytes: e.Bytes})
			}
		}
		if !o.DryRun {
			if err := s.setModel(m, m.of(left)); err != nil {
				return out, let, err
			}
		}
	}
	return out, let, nil
}

// unusedBlobs lists the files in blobs/ that are reached neither from a pointer
// nor from the header of a basis that is, with some versions taken for gone.
// Their own files are not listed.
func (s *Store) unusedBlobs(gone map[Entry]bool) ([]candidate, error) {
	used, bases := s.reached(gone)
	for basis := range bases {
		named, err := s.namedBy(basis)
		if err != nil {
			return nil, err
		}
		for _, digest := range named {
			used[digest] = true
		}
	}
	for e := range gone {
		used[e.Digest] = true
	}
	return list(s.dir, "blobs", func(name string) string {
		digest, _, _ := strings.Cut(name, ".")
		if !isDigest(digest) || used[digest] {
			return ""
		}
		return s.kindOf(name)
	})
}

// reached gives the digests that pointers lead to, and those of them that are
// bases, with some versions taken for gone.
func (s *Store) reached(gone map[Entry]bool) (used, bases map[string]bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	used, bases = map[string]bool{}, map[string]bool{}
	for _, f := range s.families {
		used[f.Basis], bases[f.Basis] = true, true
		used[f.Probes] = true
	}
	for _, m := range s.models {
		for _, e := range m.versions() {
			if !gone[e] {
				used[e.Digest], used[e.Basis], bases[e.Basis] = true, true, true
			}
		}
	}
	return used, bases
}

var digestText = regexp.MustCompile(`[0-9a-f]{64}`)

// namedBy lists every digest in a basis's metadata, whatever it stands for
// there. A basis that can't be read may name what is needed once it is restored,
// so nothing can be collected beside it.
func (s *Store) namedBy(basis string) ([]string, error) {
	f, err := tensorfile.Open(s.blob(basis))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("basis %s: %w; restore the file or fit the family again", short(basis), err)
	}
	defer f.Close()
	var out []string
	for _, text := range f.Metadata {
		out = append(out, digestText.FindAllString(text, -1)...)
	}
	return out, nil
}

// kindOf says what a file in blobs/ is.
func (s *Store) kindOf(name string) string {
	f, err := tensorfile.Open(filepath.Join(s.dir, "blobs", name))
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

// debris lists what writes that were cut off have left. All writes to these
// folders happen under the lock, which the caller holds.
func (s *Store) debris() (out []candidate, err error) {
	for _, folder := range append(folders[:], ".") {
		found, err := list(s.dir, folder, func(name string) string {
			if strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp") {
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

// list gives the regular files of a folder that what has a word for; none where
// there is no such folder.
func list(dir, folder string, what func(name string) string) (out []candidate, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, folder))
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
		out = append(out, candidate{Garbage{Path: filepath.Join(folder, e.Name()), What: kind, Bytes: info.Size()}, info.ModTime()})
	}
	return out, err
}

// unfinished lists the folders of fits under way or given up.
func (s *Store) unfinished() (out []candidate, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, fittings))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		c := candidate{Garbage: Garbage{Path: filepath.Join(fittings, e.Name()), What: "unfinished fit"}}
		err := filepath.WalkDir(filepath.Join(s.dir, c.Path), func(_ string, d fs.DirEntry, err error) error {
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
		if errors.Is(err, fs.ErrNotExist) { // it was just finished
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, err
}
