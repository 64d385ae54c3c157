package store

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"eigenserve/store/backend"
	"eigenserve/store/tensorfile"
)

// Store is a store of families and variants. Its files are:
//
//	store.json                   says that this is a store
//	families/<family>.json       pointer: the family's current basis
//	models/<name>.json           pointer: the versions of a name
//	aliases/<alias>.json         pointer: the names and versions that an alias stands for
//	blobs/<digest>.safetensors   basis, variant and probe files, never changed
//	fitting/<key>/               what fits under way have finished: see Workspace
//
// Blobs are written before the pointers to them and removed after, and each file is
// written atomically. A crash at any moment leaves the old state or the new, at worst
// with a blob that nothing points to.
type Store struct {
	files backend.Backend

	// change orders the changes by this process, so that a file cannot be removed while
	// another change is about to point to it. begin locks it, and the backend's lock,
	// which orders those of other processes. It is locked before mu. It guards the
	// fields below it.
	change sync.Mutex
	// lock is the backend's lock during a change.
	lock backend.Lock
	// seen is the change counter that the catalogue belongs to, and crashed that of a
	// change that was cut off and cannot be cleared; generation counts how often the
	// pointers were read.
	seen, crashed, generation uint64
	// uncertain says that a write failed and may still have happened, so the catalogue
	// must be read again.
	uncertain bool
	// keep is how many versions of a name are kept.
	keep int

	// mu guards catalogue. It is not held while a pointer is read or written.
	mu sync.RWMutex
	catalogue
}

// Family is the pointer to a family's current basis.
type Family struct {
	Name    string    `json:"name"`
	Basis   string    `json:"basis"`
	Probes  string    `json:"probes,omitempty"` // digest of the basis's probe images, if they are stored
	Bytes   int64     `json:"bytes"`
	Updated time.Time `json:"updated"`
}

// Dir returns the folder of the store.
func (s *Store) Dir() string { return s.files.String() }

// Families returns the families, sorted by name.
func (s *Store) Families() []Family {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sorted(s.families)
}

// Family returns a family's pointer.
func (s *Store) Family(name string) (Family, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.families[name]
	if !ok {
		return f, s.notFound("families", "family", name)
	}
	return f, nil
}

// CheckFamily returns an error unless a family may be stored under a name.
func (s *Store) CheckFamily(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("family: %w", err)
	}
	if err := s.checkSpelling("families", name); err != nil {
		return fmt.Errorf("family: %w", err)
	}
	return nil
}

// PutBasis stores a basis and makes it the current one of its family.
func (s *Store) PutBasis(b *Basis) (Family, error) {
	var buf bytes.Buffer
	if err := b.Encode(&buf); err != nil {
		return Family{}, fmt.Errorf("basis of %q: %w", b.Family, err)
	}
	return s.PutBasisFile(buf.Bytes())
}

// PutBasisFile is like PutBasis for the bytes of a basis file, which it checks first.
func (s *Store) PutBasisFile(raw []byte) (Family, error) {
	file, err := tensorfile.Parse(raw)
	if err != nil {
		return Family{}, fmt.Errorf("basis: %w", err)
	}
	b, err := DecodeBasis(file)
	if err != nil {
		return Family{}, fmt.Errorf("basis: %w", err)
	}
	end, err := s.begin()
	if err != nil {
		return Family{}, err
	}
	defer end()
	if err := s.CheckFamily(b.Family); err != nil {
		return Family{}, err
	}
	digest, err := s.putBlob(raw)
	if err != nil {
		return Family{}, fmt.Errorf("basis of %q: %w", b.Family, err)
	}
	f := Family{Name: b.Family, Basis: digest, Bytes: int64(len(raw)), Updated: b.Created}
	if isDigest(b.Probes) {
		f.Probes = b.Probes
	}
	if err := s.putPointer("families", b.Family, f); err != nil {
		return Family{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families[b.Family] = f
	s.spelled[fold("families", b.Family)] = b.Family
	delete(s.damaged, pointerFile("families", b.Family))
	return f, nil
}

// OpenBasis maps a basis after checking that its bytes have the digest.
func (s *Store) OpenBasis(digest string) (*Basis, error) {
	if err := s.verifyBlob(digest, "fit the family again or restore the file"); err != nil {
		return nil, fmt.Errorf("basis %s: %w", short(digest), err)
	}
	f, err := s.openBlob(blobFile(digest))
	if err != nil {
		return nil, fmt.Errorf("basis %s: %w", short(digest), err)
	}
	b, err := DecodeBasis(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("basis %s: %w", short(digest), err)
	}
	b.Digest = digest
	return b, nil
}

// ReadVariant reads a variant after checking that its bytes have the digest.
func (s *Store) ReadVariant(digest string) (*Variant, error) {
	raw, err := s.readBlob(digest, "add the model again")
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", short(digest), err)
	}
	v, err := parseVariant(raw, digest)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", short(digest), err)
	}
	return v, nil
}

// release drops one use of a blob and removes the file with the last one, unless a
// damaged pointer may lead to it too. A file that stays although nothing points to it
// does no harm. The caller holds change and mu.
func (s *Store) release(digest string) {
	if s.uses[digest]--; s.uses[digest] > 0 {
		return
	}
	delete(s.uses, digest)
	if len(s.damaged) == 0 {
		s.lock.Discard(blobFile(digest))
	}
}
