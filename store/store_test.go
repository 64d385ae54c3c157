package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

// create makes a store that holds no more than the file of tinyBasis.
func create(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	writeBasis(t, s)
	return s
}

// writeBasis puts the file of tinyBasis into a store, for variants to refer to, without
// making it a family's basis. It returns the file's path.
func writeBasis(t testing.TB, s *store.Store) string {
	t.Helper()
	raw := encoded(t, tinyBasis())
	path := "blobs/" + store.Digest(raw) + ".safetensors"
	writeIn(t, s, path, string(raw))
	return path
}

// emptyFiles returns the files of a store that create has made.
func emptyFiles(t testing.TB) []string { return files(t, create(t)) }

// A basis that nothing refers to may be collected before a variant of it is put. Such a
// variant is refused: it could never be served.
func TestPutOnCollectedBasis(t *testing.T) {
	s := create(t)
	collect(t, s, store.CollectOptions{})
	v := tinyVariant(t)
	if _, _, err := s.PutVariant("cats", v, bytesOf(t, v)); !errors.Is(err, store.ErrBasis) {
		t.Errorf("put on a missing basis: %v", err)
	}
	if diff := cmp.Diff([]string{"store.json"}, files(t, s)); diff != "" {
		t.Errorf("the refused variant left files: %s", diff)
	}
	writeBasis(t, s)
	put(t, s, "cats", "one")
	if removed, _ := collect(t, s, store.CollectOptions{}); removed != nil {
		t.Errorf("removed %v", removed)
	}
}

func reopen(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	again, err := store.Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// labelled returns a variant with a label, and its file. Each label makes another digest.
func labelled(t testing.TB, label string) (*store.Variant, []byte) {
	t.Helper()
	v := tinyVariant(t)
	v.Labels = []string{label}
	raw := bytesOf(t, v)
	v, err := store.ParseVariant(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v, raw
}

func put(t testing.TB, s *store.Store, name, label string) store.Entry {
	t.Helper()
	v, raw := labelled(t, label)
	e, _, err := s.PutVariant(name, v, raw)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// files returns the files of a store, without lock and changes.
func files(t testing.TB, s *store.Store) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*", ".*", "*/*", "*/.*"} {
		found, _ := filepath.Glob(filepath.Join(s.Dir(), pattern))
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				if rel, _ := filepath.Rel(s.Dir(), path); rel != "lock" && rel != "changes" {
					all = append(all, filepath.ToSlash(rel))
				}
			}
		}
	}
	return all
}

func TestCreateOpenReopen(t *testing.T) {
	s := create(t)
	if len(s.Families())+len(s.Variants()) > 0 {
		t.Error("a new store is not empty")
	}
	f, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	dogs, cats := put(t, s, "dogs", "dog"), put(t, s, "cats", "cat")
	again, err := store.Create(s.Dir()) // opens the existing store
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*store.Store{s, again, reopen(t, s)} {
		if diff := cmp.Diff([]store.Family{f}, s.Families()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]store.Entry{cats, dogs}, s.Variants()); diff != "" {
			t.Error(diff)
		}
		checkIntact(t, s)
	}
	want := store.Entry{Name: "cats", Version: 1, Digest: cats.Digest, Family: "tiny", Basis: f.Basis, Bytes: cats.Bytes,
		SourceBytes: 1000, Classes: 1, Step: 0.5, Energy: 0.9, Added: someDay}
	if diff := cmp.Diff(want, cats); diff != "" {
		t.Error(diff)
	}
}

// checkIntact checks that every pointer of a store leads to an intact file.
func checkIntact(t testing.TB, s *store.Store) {
	t.Helper()
	for _, f := range s.Families() {
		b, err := s.OpenBasis(f.Basis)
		if err != nil {
			t.Errorf("family %q: %v", f.Name, err)
			continue
		}
		if b.Digest != f.Basis || b.Family != f.Name || int64(len(encoded(t, b))) != f.Bytes {
			t.Errorf("family %q: %d bytes of basis %s of %q", f.Name, f.Bytes, b.Digest, b.Family)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, e := range s.Variants() {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			t.Errorf("model %q: %v", e.Name, err)
			continue
		}
		if v.Digest != e.Digest || v.Basis != e.Basis || int64(len(bytesOf(t, v))) != e.Bytes {
			t.Errorf("model %q is %+v, but its pointer says %+v", e.Name, v, e)
		}
	}
}

func TestPutReplacesAndDeletes(t *testing.T) {
	s := create(t)
	s.KeepVersions(1)
	v, raw := labelled(t, "old")
	old, replaced, err := s.PutVariant("cats", v, raw)
	if err != nil || replaced {
		t.Fatalf("replaced %v, %v", replaced, err)
	}
	if _, replaced, err = s.PutVariant("cats", v, raw); err != nil || !replaced {
		t.Fatalf("the same file again: replaced %v, %v", replaced, err)
	}
	if _, err := s.ReadVariant(old.Digest); err != nil {
		t.Errorf("putting the same file again removed it: %v", err)
	}
	now := put(t, s, "cats", "new")
	if _, err := s.ReadVariant(old.Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the replaced file: %v", err)
	}
	if e, err := s.Entry("cats"); err != nil || e != now {
		t.Errorf("%+v, %v", e, err)
	}
	if err := s.DeleteVariant("cats"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*store.Store{s, reopen(t, s)} {
		if err := s.DeleteVariant("cats"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted again: %v", err)
		}
		if _, err := s.Entry("cats"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), `model "cats"`) {
			t.Errorf("looked up after it was deleted: %v", err)
		}
	}
	if diff := cmp.Diff(emptyFiles(t), files(t, s)); diff != "" {
		t.Errorf("files were left behind: %s", diff)
	}
}

func TestNamesShareFile(t *testing.T) {
	for _, way := range []string{"in one run", "after reopening"} {
		t.Run(way, func(t *testing.T) {
			s := create(t)
			one, other := put(t, s, "one", "same"), put(t, s, "other", "same")
			if one.Digest != other.Digest {
				t.Fatal("the same file has two digests")
			}
			if way != "in one run" {
				s = reopen(t, s)
			}
			s.KeepVersions(1)
			if err := s.DeleteVariant("one"); err != nil {
				t.Fatal(err)
			}
			checkIntact(t, s)
			put(t, s, "other", "new")
			if _, err := s.ReadVariant(one.Digest); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the file is still there without a name: %v", err)
			}
			checkIntact(t, s)
		})
	}
}

func TestNewBasisKeepsOld(t *testing.T) {
	s := create(t)
	old, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	b := tinyBasis()
	b.RMS = 1
	now, err := s.PutBasisFile(encoded(t, b))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*store.Store{s, reopen(t, s)} {
		if f, err := s.Family("tiny"); err != nil || f.Basis != now.Basis {
			t.Errorf("%+v, %v", f, err)
		}
		if _, err := s.Family("huge"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), `family "huge"`) {
			t.Errorf("an unknown family: %v", err)
		}
		b, err := s.OpenBasis(old.Basis) // variants may refer to it
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
}

func TestPutRefusals(t *testing.T) {
	s := create(t)
	put(t, s, "Cats", "cat")
	if _, err := s.PutBasis(tinyBasis()); err != nil {
		t.Fatal(err)
	}
	before := files(t, s)
	v, raw := labelled(t, "dog")
	for _, name := range []string{"", "..", "a/b", "cats", "CATS"} {
		if _, _, err := s.PutVariant(name, v, raw); !errors.Is(err, store.ErrName) {
			t.Errorf("variant %q: %v", name, err)
		}
	}
	b := tinyBasis()
	b.Family = "Tiny"
	if _, err := s.PutBasis(b); !errors.Is(err, store.ErrName) || !strings.Contains(err.Error(), `"tiny" exists`) {
		t.Errorf("a family that differs by case: %v", err)
	}
	b.Family = "a/b"
	if _, err := s.PutBasis(b); !errors.Is(err, store.ErrName) {
		t.Errorf("a family with a slash: %v", err)
	}
	if _, err := s.PutBasisFile(raw); !errors.Is(err, store.ErrFormat) {
		t.Errorf("a variant as a basis: %v", err)
	}
	if _, err := s.PutBasisFile(encoded(t, tinyBasis())[:100]); err == nil {
		t.Error("half a basis was stored")
	}
	if diff := cmp.Diff(before, files(t, s)); diff != "" {
		t.Error(diff)
	}
	if err := s.DeleteVariant("Cats"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "cats", "cat") // the spelling is free again
}
