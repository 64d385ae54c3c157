package main

import (
	"fmt"
	"os"
	"path/filepath"

	"eigenserve/store"
)

// family holds the files of a fitted family.
type family struct {
	basis  []byte
	probes []byte // the images that its variants were compared on; nil for the built-in ones
	models []model
}

type model struct {
	name   string
	labels []string
	file   []byte
}

// open reads the files of a family from a store. It fails if a variant needs an older basis
// of the family, since the archive holds one basis.
func open(dir, name string) (*family, error) {
	s, err := store.Open(dir)
	if err != nil {
		return nil, err
	}
	pointer, err := s.Family(name)
	if err != nil {
		return nil, err
	}
	f := &family{}
	if f.basis, err = blob(s, pointer.Basis); err != nil {
		return nil, err
	}
	if pointer.Probes != "" && pointer.Probes != store.BuiltInProbes {
		if f.probes, err = blob(s, pointer.Probes); err != nil {
			return nil, err
		}
	}
	for _, e := range s.Variants() {
		if e.Family != name {
			continue
		}
		if e.Basis != pointer.Basis {
			return nil, fmt.Errorf("model %q needs another basis of family %q; add it again", e.Name, name)
		}
		file, err := blob(s, e.Digest)
		if err != nil {
			return nil, err
		}
		v, err := store.ParseVariant(file)
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", e.Name, err)
		}
		f.models = append(f.models, model{e.Name, v.Labels, file})
	}
	if len(f.models) == 0 {
		return nil, fmt.Errorf("family %q has no models", name)
	}
	return f, nil
}

// blob reads a file of the store and checks its digest.
func blob(s *store.Store, digest string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "blobs", digest+".safetensors"))
	if err != nil {
		return nil, err
	}
	if store.Digest(raw) != digest {
		return nil, fmt.Errorf("blob %s: %w", digest, store.ErrDigest)
	}
	return raw, nil
}
