package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// setAge sets the modification time of a file to age ago.
func setAge(t testing.TB, s *store.Store, path string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(s.Dir(), path), then, then); err != nil {
		t.Fatal(err)
	}
}

func writeIn(t testing.TB, s *store.Store, path, content string) {
	t.Helper()
	full := filepath.Join(s.Dir(), path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func collect(t testing.TB, s *store.Store, o store.CollectOptions) (removed, kept []string) {
	t.Helper()
	all, err := s.Collect(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if g.Kept == "" {
			removed = append(removed, filepath.ToSlash(g.Path))
		} else {
			kept = append(kept, filepath.ToSlash(g.Path))
		}
	}
	slices.Sort(removed)
	return removed, kept
}

// withGarbage returns a store with each kind of garbage, all of it a week old.
func withGarbage(t testing.TB) (s *store.Store, garbage []string) {
	t.Helper()
	s = create(t)
	old, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "one") // refers to the first basis
	unused := tinyBasis()
	unused.RMS = 0.5
	second, err := s.PutBasis(unused)
	if err != nil {
		t.Fatal(err)
	}
	now := tinyBasis()
	now.RMS = 0.75
	if _, err := s.PutBasis(now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "blobs", old.Basis+".safetensors")); err != nil {
		t.Fatal(err)
	}
	variant := store.Digest([]byte("a variant"))
	writeIn(t, s, "blobs/"+variant+".safetensors", "not even a header")
	writeIn(t, s, "models/.a.json.0123.tmp", "{")
	writeIn(t, s, "blobs/.x.safetensors.0123.tmp", "half")
	writeIn(t, s, ".store.json.0123.tmp", "")
	writeIn(t, s, "fitting/given-up/layer.safetensors", "much")
	writeIn(t, s, "notes.txt", "mine")
	garbage = []string{".store.json.0123.tmp", "blobs/" + second.Basis + ".safetensors", "blobs/" + variant + ".safetensors",
		"blobs/.x.safetensors.0123.tmp", "fitting/given-up", "models/.a.json.0123.tmp"}
	slices.Sort(garbage)
	for _, path := range append(garbage, "fitting/given-up/layer.safetensors") {
		setAge(t, s, path, 7*24*time.Hour)
	}
	return s, garbage
}

func TestCollect(t *testing.T) {
	s, garbage := withGarbage(t)
	o := store.CollectOptions{Grace: time.Hour, Work: 24 * time.Hour, DryRun: true}
	before := files(t, s)
	if removed, kept := collect(t, s, o); !slices.Equal(removed, garbage) || kept != nil {
		t.Errorf("would remove %v and keep %v, want %v", removed, kept, garbage)
	}
	if after := files(t, s); !slices.Equal(after, before) {
		t.Errorf("after a dry run %v is left of %v", after, before)
	}
	o.DryRun = false
	if removed, _ := collect(t, s, o); !slices.Equal(removed, garbage) {
		t.Errorf("removed %v, want %v", removed, garbage)
	}
	for _, path := range garbage {
		if _, err := os.Stat(filepath.Join(s.Dir(), path)); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if removed, kept := collect(t, s, o); removed != nil || kept != nil {
		t.Errorf("a second time: %v, %v", removed, kept)
	}
	again := reopen(t, s)
	checkIntact(t, again)
	if b, err := again.OpenBasis(again.Variants()[0].Basis); err != nil {
		t.Errorf("the basis that a variant refers to: %v", err)
	} else {
		b.Close()
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "notes.txt")); err != nil {
		t.Error("a file that is not the store's was removed")
	}
}

func TestCollectKeepsYoung(t *testing.T) {
	s, garbage := withGarbage(t)
	for _, path := range append(garbage, "fitting/given-up/layer.safetensors") {
		setAge(t, s, path, 2*time.Hour)
	}
	o := store.CollectOptions{Grace: time.Hour, Work: 24 * time.Hour}
	if _, kept := collect(t, s, o); !slices.Equal(kept, []string{"fitting/given-up"}) {
		t.Errorf("kept %v", kept)
	}
	s, garbage = withGarbage(t)
	o.Grace = 30 * 24 * time.Hour
	o.Work = o.Grace
	if removed, kept := collect(t, s, o); removed != nil || len(kept) != len(garbage) {
		t.Errorf("removed %v", removed)
	}
}

// A file that a basis names by digest in its metadata is in use.
func TestCollectFollowsBasis(t *testing.T) {
	s := create(t)
	spare := writeBasis(t, s)
	digest := store.Digest([]byte("probes"))
	writeIn(t, s, "blobs/"+digest+".safetensors", "probes")
	b := tinyBasis()
	b.Sources = append(b.Sources, store.Source{Name: "probes", Digest: digest})
	f, err := s.PutBasis(b)
	if err != nil {
		t.Fatal(err)
	}
	if removed, _ := collect(t, s, store.CollectOptions{}); !slices.Equal(removed, []string{spare}) {
		t.Errorf("removed %v", removed)
	}
	// A damaged basis may name any file, so nothing is removed.
	writeIn(t, s, "blobs/"+f.Basis+".safetensors", "no header here")
	_, err = s.Collect(store.CollectOptions{})
	if err == nil || !strings.Contains(err.Error(), "restore") {
		t.Errorf("with a damaged basis: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "blobs", digest+".safetensors")); err != nil {
		t.Error(err)
	}
}

// A pointer whose digest is damaged does not turn its file into garbage.
func TestCollectWithMissingFile(t *testing.T) {
	s := create(t)
	e := put(t, s, "cats", "cat")
	s = breakDigest(t, s, e)
	if found, err := s.Collect(store.CollectOptions{Versions: 1}); err == nil || !strings.Contains(err.Error(), "cats") || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := s.ReadVariant(e.Digest); err != nil {
		t.Error(err)
	}
}

// A program that has a removed file mapped can still read it.
func TestCollectWhileMapped(t *testing.T) {
	s, garbage := withGarbage(t)
	i := slices.IndexFunc(garbage, func(path string) bool { return strings.HasPrefix(path, "blobs/") && !strings.Contains(path, "tmp") })
	var mapped *tensorfile.File
	for _, path := range garbage[i:] {
		if f, err := tensorfile.Open(filepath.Join(s.Dir(), path)); err == nil {
			mapped = f
		}
	}
	if mapped == nil {
		t.Fatal("no basis among the garbage")
	}
	defer mapped.Close()
	collect(t, s, store.CollectOptions{})
	if _, err := store.DecodeBasis(mapped); err != nil {
		t.Errorf("after its name was removed: %v", err)
	}
}

// Old versions are dropped, and with them the basis that only they referred to. A version
// that an alias points to stays.
func TestCollectVersions(t *testing.T) {
	s := create(t)
	if _, err := s.PutBasis(tinyBasis()); err != nil {
		t.Fatal(err)
	}
	first, pinned := put(t, s, "a", "one"), put(t, s, "b", "two")
	now := tinyBasis()
	now.RMS = 0.75
	f, err := s.PutBasis(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		v, _ := labelled(t, "three")
		v.Basis = f.Basis
		raw := bytesOf(t, v)
		if v, err = store.ParseVariant(raw); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.PutVariant(name, v, raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutAlias(store.Alias{Name: "stable", Targets: []store.Target{{Model: "b", Version: 1, Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	o := store.CollectOptions{Versions: 1, DryRun: true}
	before := files(t, s)
	if removed, _ := collect(t, s, o); !slices.Equal(removed, []string{"models/a.json"}) {
		t.Errorf("would remove %v", removed)
	}
	if after := files(t, s); !slices.Equal(after, before) {
		t.Errorf("after a dry run %v is left of %v", after, before)
	}
	o.DryRun = false
	collect(t, s, o)
	if _, err := s.ReadVariant(first.Digest); err == nil {
		t.Error("an old version's file is still there")
	}
	if _, err := s.ReadVariant(pinned.Digest); err != nil {
		t.Errorf("the version that an alias points to: %v", err)
	}
	if err := s.DeleteAlias("stable"); err != nil {
		t.Fatal(err)
	}
	o.DryRun = true
	want := []string{"blobs/" + first.Basis + ".safetensors", "models/b.json"}
	if removed, _ := collect(t, s, o); !slices.Equal(removed, want) {
		t.Errorf("would remove %v, want %v", removed, want)
	}
	o.DryRun = false
	if removed, _ := collect(t, s, o); !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
	checkIntact(t, reopen(t, s))
}

// A new version is current however many older ones aliases point to.
func TestPutWithAliasedVersions(t *testing.T) {
	s := create(t)
	s.KeepVersions(1)
	put(t, s, "a", "one")
	if _, err := s.PutAlias(store.Alias{Name: "stable", Targets: []store.Target{{Model: "a", Version: 1, Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	second := put(t, s, "a", "two")
	if e, err := s.Entry("a"); err != nil || e.Digest != second.Digest {
		t.Errorf("%+v, %v", e, err)
	}
}
