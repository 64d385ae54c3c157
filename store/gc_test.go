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

// aged gives a file of the store a time of last change in the past.
func aged(t testing.TB, s *store.Store, path string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(s.Dir(), path), then, then); err != nil {
		t.Fatal(err)
	}
}

func lay(t testing.TB, s *store.Store, path, content string) {
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

// littered is a store with each kind of garbage, all of it a week old.
func littered(t testing.TB) (s *store.Store, garbage []string) {
	t.Helper()
	s = create(t)
	old, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "one") // stands on the first basis
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
	lay(t, s, "blobs/"+variant+".safetensors", "not even a header")
	lay(t, s, "models/.a.json.0123.tmp", "{")
	lay(t, s, "blobs/.x.safetensors.0123.tmp", "half")
	lay(t, s, ".store.json.0123.tmp", "")
	lay(t, s, "fitting/given-up/layer.safetensors", "much")
	lay(t, s, "notes.txt", "mine")
	garbage = []string{".store.json.0123.tmp", "blobs/" + second.Basis + ".safetensors", "blobs/" + variant + ".safetensors",
		"blobs/.x.safetensors.0123.tmp", "fitting/given-up", "models/.a.json.0123.tmp"}
	slices.Sort(garbage)
	for _, path := range append(garbage, "fitting/given-up/layer.safetensors") {
		aged(t, s, path, 7*24*time.Hour)
	}
	return s, garbage
}

func TestCollect(t *testing.T) {
	s, garbage := littered(t)
	o := store.CollectOptions{Grace: time.Hour, Work: 24 * time.Hour, DryRun: true}
	before := files(t, s)
	if removed, kept := collect(t, s, o); !slices.Equal(removed, garbage) || kept != nil {
		t.Errorf("would remove %v and keep %v, want %v", removed, kept, garbage)
	}
	if after := files(t, s); !slices.Equal(after, before) {
		t.Errorf("a dry run has left %v of %v", after, before)
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
		t.Errorf("again: %v, %v", removed, kept)
	}
	again := reopen(t, s)
	checkWhole(t, again)
	if b, err := again.OpenBasis(again.Variants()[0].Basis); err != nil {
		t.Errorf("the basis that a variant stands on: %v", err)
	} else {
		b.Close()
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "notes.txt")); err != nil {
		t.Error("a file that is none of the store's is gone")
	}
}

func TestCollectKeepsTheYoung(t *testing.T) {
	s, garbage := littered(t)
	for _, path := range append(garbage, "fitting/given-up/layer.safetensors") {
		aged(t, s, path, 2*time.Hour)
	}
	o := store.CollectOptions{Grace: time.Hour, Work: 24 * time.Hour}
	if _, kept := collect(t, s, o); !slices.Equal(kept, []string{"fitting/given-up"}) {
		t.Errorf("kept %v", kept)
	}
	s, garbage = littered(t)
	o.Grace = 30 * 24 * time.Hour
	o.Work = o.Grace
	if removed, kept := collect(t, s, o); removed != nil || len(kept) != len(garbage) {
		t.Errorf("removed %v", removed)
	}
}

// What a basis names by digest in its metadata is in use.
func TestCollectFollowsABasis(t *testing.T) {
	s := create(t)
	spare := layBasis(t, s)
	digest := store.Digest([]byte("probes"))
	lay(t, s, "blobs/"+digest+".safetensors", "probes")
	b := tinyBasis()
	b.Sources = append(b.Sources, store.Source{Name: "probes", Digest: digest})
	f, err := s.PutBasis(b)
	if err != nil {
		t.Fatal(err)
	}
	if removed, _ := collect(t, s, store.CollectOptions{}); !slices.Equal(removed, []string{spare}) {
		t.Errorf("removed %v", removed)
	}
	// A damaged basis may name anything: nothing is removed beside it.
	lay(t, s, "blobs/"+f.Basis+".safetensors", "no header here")
	_, err = s.Collect(store.CollectOptions{})
	if err == nil || !strings.Contains(err.Error(), "restore") {
		t.Errorf("beside a damaged basis: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "blobs", digest+".safetensors")); err != nil {
		t.Error(err)
	}
}

// A digit of a digest that the disk has turned leads nowhere, and not to garbage.
func TestCollectBesideALostFile(t *testing.T) {
	s := create(t)
	e := put(t, s, "cats", "cat")
	s = leadNowhere(t, s, e)
	if found, err := s.Collect(store.CollectOptions{Versions: 1}); err == nil || !strings.Contains(err.Error(), "cats") || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := s.ReadVariant(e.Digest); err != nil {
		t.Error(err)
	}
}

// A file that is mapped by somebody stays readable by them.
func TestCollectWhileMapped(t *testing.T) {
	s, garbage := littered(t)
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

// TestCollectVersions lets old versions go, and with them the basis that only
// they stood on; what an alias names stays.
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
		t.Errorf("a dry run has left %v of %v", after, before)
	}
	o.DryRun = false
	collect(t, s, o)
	if _, err := s.ReadVariant(first.Digest); err == nil {
		t.Error("an old version's file is still there")
	}
	if _, err := s.ReadVariant(pinned.Digest); err != nil {
		t.Errorf("the version that an alias names: %v", err)
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
	checkWhole(t, reopen(t, s))
}

// However many of the older versions aliases name, what is put is current.
func TestPutBesideHeldVersions(t *testing.T) {
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
