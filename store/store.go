package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"eigenserve/store/tensorfile"
)

// Store is a folder of families and variants:
//
//	store.json               what this folder is
//	families/<family>.json   pointer: the family's current basis
//	models/<name>.json       pointer: the versions of that name
//	aliases/<alias>.json     pointer: the names and versions that an alias stands for
//	blobs/<digest>.safetensors   basis and variant files, never changed
//	fitting/<key>/           what fits under way have finished: see fitting.go
//	lock, changes            how several processes share it: see lock.go
//
// Blobs come before the pointers to them and go after, each written to a
// temporary name, synced, renamed, the folder synced; so a crash at any moment
// leaves the old or the new, at worst with a blob that nothing points to.
type Store struct {
	dir string

	// change orders all changes of the folder, so that a file can't be removed
	// while another change is about to point to it; begin takes it, and the lock
	// that orders those of other processes. Taken before mu. It guards seen, the
	// number of changes that catalogue knows of, crashed, the last of a process that
	// ended in it, and reading, how often it was read.
	change                 sync.Mutex
	seen, crashed, reading uint64
	// unsure says that a change may have been made although it failed: the catalogue is
	// read again. change guards it.
	unsure bool
	// keep is how many versions of a name stay; change guards it.
	keep int
	// mu guards catalogue; never held while a file is read or written.
	mu sync.RWMutex
	catalogue
}

// Family is the pointer to a family's current basis.
type Family struct {
	Name    string    `json:"name"`
	Basis   string    `json:"basis"`
	Probes  string    `json:"probes,omitempty"` // digest of the basis's probe images, where it has a file of them
	Bytes   int64     `json:"bytes"`
	Updated time.Time `json:"updated"`
}

const (
	storeFormat = "eigenserve.store"
	marker      = "store.json"
)

var folders = [...]string{"families", "models", "aliases", "blobs"}

// Dir is the folder of the store.
func (s *Store) Dir() string { return s.dir }

// Families lists the families by name.
func (s *Store) Families() []Family {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sorted(s.families)
}

// Family finds a family's pointer.
func (s *Store) Family(name string) (Family, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.families[name]
	if !ok {
		return f, s.missing("families", "family", name)
	}
	return f, nil
}

// CheckFamily tells whether a family may have a name.
func (s *Store) CheckFamily(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("family %w", err)
	}
	if err := s.spelling("families", name); err != nil {
		return fmt.Errorf("family %w", err)
	}
	return nil
}

// PutBasis stores a basis and makes it its family's current one.
func (s *Store) PutBasis(b *Basis) (Family, error) {
	var buf bytes.Buffer
	if err := b.Encode(&buf); err != nil {
		return Family{}, fmt.Errorf("store: basis of %q: %w", b.Family, err)
	}
	return s.PutBasisFile(buf.Bytes())
}

// PutBasisFile is PutBasis from the bytes of a basis's file, checked first.
func (s *Store) PutBasisFile(raw []byte) (Family, error) {
	file, err := tensorfile.Parse(raw)
	if err != nil {
		return Family{}, fmt.Errorf("store: basis: %w", err)
	}
	b, err := DecodeBasis(file)
	if err != nil {
		return Family{}, fmt.Errorf("store: basis: %w", err)
	}
	end, err := s.begin()
	if err != nil {
		return Family{}, err
	}
	defer end()
	if err := s.CheckFamily(b.Family); err != nil {
		return Family{}, fmt.Errorf("store: %w", err)
	}
	digest, err := s.putBlob(raw)
	if err != nil {
		return Family{}, fmt.Errorf("store: basis of %q: %w", b.Family, err)
	}
	f := Family{Name: b.Family, Basis: digest, Bytes: int64(len(raw)), Updated: b.Created}
	if isDigest(b.Probes) {
		f.Probes = b.Probes
	}
	if err := s.putPointer("families", b.Family, f); err != nil {
		return Family{}, fmt.Errorf("store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families[b.Family] = f
	s.spelled[fold("families", b.Family)] = b.Family
	delete(s.damaged, pointerFile("families", b.Family))
	return f, nil
}

// OpenBasis maps a basis by digest after checking that its bytes have it.
func (s *Store) OpenBasis(digest string) (*Basis, error) {
	path := s.blob(digest)
	if err := s.verify(path, digest); err != nil {
		return nil, fmt.Errorf("store: basis %s: %w", short(digest), err)
	}
	f, err := tensorfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("store: basis %s: %w", short(digest), err)
	}
	b, err := DecodeBasis(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("store: basis %s: %w", short(digest), err)
	}
	b.Digest = digest
	return b, nil
}

// ReadVariant reads a variant by digest after checking that its bytes have it.
func (s *Store) ReadVariant(digest string) (*Variant, error) {
	raw, err := os.ReadFile(s.blob(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("store: variant %s: %w", short(digest), ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if has := Digest(raw); has != digest {
		return nil, fmt.Errorf("store: variant %s: %w: its bytes have digest %s; add the model again", short(digest), ErrDigest, short(has))
	}
	v, err := parseVariant(raw, digest)
	if err != nil {
		return nil, fmt.Errorf("store: variant %s: %w", short(digest), err)
	}
	return v, nil
}

// release drops one use of a blob and removes it with the last, unless a damaged
// pointer may lead to it too. A file that is left with nothing that points to it does
// no harm. The caller holds both locks.
func (s *Store) release(digest string) {
	if s.uses[digest]--; s.uses[digest] > 0 {
		return
	}
	delete(s.uses, digest)
	if len(s.damaged) == 0 {
		os.Remove(s.blob(digest))
	}
}
