package chaos

import (
	"context"
	"fmt"
	"os"
	"sync"

	"eigenserve/runtime"
	"eigenserve/store"
)

// reference computes the logits that each variant must answer with, from its file
// alone, in a store of its own and without the kernels that serve.
type reference struct {
	images [][]byte

	computing sync.Mutex // guards store, engine and bases; held while logits are computed
	store     *store.Store
	engine    *runtime.Engine
	bases     map[string]bool // by digest

	mu     sync.Mutex // guards logits
	logits map[string]variantLogits
}

// variantLogits are the logits of a variant.
type variantLogits struct {
	labels []string
	logits [][]float32 // (image, label)
}

func newReference(dir string, images [][]byte) (*reference, error) {
	s, err := store.Create(dir)
	if err != nil {
		return nil, err
	}
	eng, err := runtime.Open(s, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	return &reference{images: images, store: s, engine: eng, logits: map[string]variantLogits{}, bases: map[string]bool{}}, err
}

// has reports whether the logits of a digest are known.
func (r *reference) has(digest string) bool {
	_, ok := r.of(digest)
	return ok
}

// of returns the logits of a digest.
func (r *reference) of(digest string) (variantLogits, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.logits[digest]
	return l, ok
}

// addBasis copies a basis from a file. It returns nil if the basis is not new.
func (r *reference) addBasis(digest, path string) (*store.Basis, error) {
	r.computing.Lock()
	defer r.computing.Unlock()
	if r.bases[digest] {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	put, err := r.store.PutBasisFile(raw)
	if err == nil && put.Basis != digest {
		err = fmt.Errorf("the file of basis %.12s has digest %.12s", digest, put.Basis)
	}
	if err != nil {
		return nil, err
	}
	r.bases[digest] = true
	return r.store.OpenBasis(digest)
}

// add computes the logits of a variant file.
func (r *reference) add(file []byte) error {
	digest := store.Digest(file)
	if r.has(digest) {
		return nil
	}
	r.computing.Lock()
	defer r.computing.Unlock()
	v, err := store.ParseVariant(file)
	if err != nil {
		return err
	}
	const name = "one"
	if _, _, err := r.engine.PutVariant(context.Background(), name, file); err != nil {
		return err
	}
	logits, err := r.engine.Reference(name, r.images)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logits[digest] = variantLogits{v.Labels, logits}
	return nil
}
