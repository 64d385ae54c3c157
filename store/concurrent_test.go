package store_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

// Writers, readers and listers work at once on a few names and even fewer files. No
// reader sees a damaged file, and in the end the store holds the files that have a name
// and no others.
func TestConcurrentChanges(t *testing.T) {
	s := create(t)
	names, labels := []string{"a", "b", "c", "d"}, []string{"one", "two", "three"}
	type made struct {
		v   *store.Variant
		raw []byte
	}
	var files []made
	for _, label := range labels {
		v, raw := labelled(t, label)
		files = append(files, made{v, raw})
	}
	var wg sync.WaitGroup
	each := func(workers, rounds int, do func(r *rand.Rand)) {
		for w := range workers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), uint64(rounds)))
				for range rounds {
					do(r)
				}
			})
		}
	}
	each(4, 25, func(r *rand.Rand) {
		f := files[r.IntN(len(files))]
		if _, _, err := s.PutVariant(names[r.IntN(len(names))], f.v, f.raw); err != nil {
			t.Error(err)
		}
	})
	each(2, 25, func(r *rand.Rand) {
		name := names[r.IntN(len(names))]
		err := s.DeleteVariant(name)
		if versions, _ := s.Versions(name); len(versions) > 1 {
			err = s.DeleteVersion(name, versions[0].Version)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrInUse) {
			t.Error(err)
		}
	})
	each(2, 25, func(r *rand.Rand) {
		_, err := s.PutAlias(store.Alias{Name: "live", Targets: []store.Target{{Model: names[r.IntN(len(names))], Weight: 1}}})
		if err == nil && r.IntN(2) == 0 {
			err = s.DeleteAlias("live")
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
	each(1, 5, func(r *rand.Rand) {
		b := tinyBasis()
		b.RMS = r.Float64()
		if _, err := s.PutBasis(b); err != nil {
			t.Error(err)
		}
	})
	each(3, 200, func(*rand.Rand) {
		for _, e := range s.Variants() {
			// It may have been replaced since it was listed.
			if _, err := s.ReadVariant(e.Digest); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
		}
		for _, f := range s.Families() {
			b, err := s.OpenBasis(f.Basis)
			if err != nil {
				t.Error(err)
				return
			}
			b.Close()
		}
	})
	wg.Wait()

	again := reopen(t, s)
	if diff := cmp.Diff(s.Variants(), again.Variants()); diff != "" {
		t.Errorf("the catalogue differs from the files: %s", diff)
	}
	if diff := cmp.Diff(s.Aliases(), again.Aliases()); diff != "" {
		t.Errorf("the aliases differ from the files: %s", diff)
	}
	for _, e := range s.Variants() {
		one, _ := s.Versions(e.Name)
		other, _ := again.Versions(e.Name)
		if diff := cmp.Diff(one, other); diff != "" {
			t.Errorf("the versions differ from the files: %s", diff)
		}
	}
	checkIntact(t, again)
	named := s.Referenced()
	blobs, _ := filepath.Glob(filepath.Join(s.Dir(), "blobs", "*"))
	for _, path := range blobs {
		digest := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		if b, err := s.OpenBasis(digest); err == nil {
			b.Close()
		} else if !named[digest] {
			t.Errorf("%s has no name", path)
		}
	}
}
