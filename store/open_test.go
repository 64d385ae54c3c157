package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		is    error
		says  string
	}{
		{"no folder", nil, store.ErrNoStore, "eigenserve fit --store"},
		{"another folder", map[string]string{"photo.png": "x"}, store.ErrNoStore, "it has no store.json; `eigenserve fit --store DIR …` makes one in a new or empty folder"},
		{"a future version", map[string]string{"store.json": `{"format":"eigenserve.store","version":"2"}`}, store.ErrNoStore, `version "2"; this program reads`},
		{"another program's marker", map[string]string{"store.json": `{"format":"else","version":"1"}`}, store.ErrNoStore, `format "else"`},
		{"a truncated marker", map[string]string{"store.json": `{"format":`}, store.ErrFormat, "store.json"},
		{"an empty marker", map[string]string{"store.json": ``}, store.ErrFormat, "store.json"},
		{"a marker that is not an object", map[string]string{"store.json": `[1]`}, store.ErrFormat, "store.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			for path, text := range c.files {
				write(t, filepath.Join(dir, path), text)
			}
			_, err := store.Open(dir)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v containing %q", err, c.is, c.says)
			}
			if c.files == nil {
				return
			}
			if _, err := store.Create(dir); !errors.Is(err, c.is) {
				t.Errorf("Create: %v, want %v", err, c.is)
			}
			if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) != len(c.files) {
				t.Errorf("the folder holds %v", found)
			}
		})
	}
}

func TestDamagedPointers(t *testing.T) {
	intact := create(t)
	if _, err := intact.PutBasis(tinyBasis()); err != nil {
		t.Fatal(err)
	}
	put(t, intact, "cats", "cat")
	for _, file := range []string{"families/tiny.json", "models/cats.json"} {
		path := filepath.Join(intact.Dir(), file)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, damage := range map[string]func(s string) string{
			"cut short":     func(s string) string { return s[:len(s)/2] },
			"empty":         func(string) string { return "" },
			"not an object": func(string) string { return `"cats"` },
			"null":          func(string) string { return `null` },
			"another name":  func(s string) string { return strings.Replace(s, `"name": "`, `"name": "x`, 1) },
			"no digest":     func(s string) string { return strings.NewReplacer(`"digest"`, `"d"`, `"basis"`, `"b"`).Replace(s) },
			"a path for a digest": func(s string) string {
				return strings.Replace(s, `"basis": "`, `"basis": "../`, 1)
			},
			"a number as text": func(s string) string { return strings.Replace(s, `"bytes": `, `"bytes": "1`, 1) },
		} {
			write(t, path, damage(string(raw)))
			s := reopen(t, intact)
			_, err := s.Entry("cats")
			if file == "families/tiny.json" {
				_, err = s.Family("tiny")
			}
			if damaged := s.Damaged(); len(damaged) != 1 || !strings.Contains(damaged[0].Error(), filepath.Base(file)) || !errors.Is(err, damaged[0]) {
				t.Errorf("%s, %s: %v, %v, want %v naming the file", file, name, damaged, err, store.ErrDamaged)
			}
		}
		write(t, path, string(raw))
	}
	checkIntact(t, reopen(t, intact))
}

// While a pointer is damaged the others are served and changed, and nothing is removed that
// it may have led to.
func TestDamagedPointersAreIsolated(t *testing.T) {
	s := create(t)
	s.KeepVersions(2)
	cat := put(t, s, "cats", "cat")
	for _, label := range []string{"a", "b"} {
		put(t, s, "dogs", label)
	}
	live := store.Alias{Name: "live", Targets: []store.Target{{Model: "dogs", Version: 1, Weight: 1}}}
	if _, err := s.PutAlias(live); err != nil {
		t.Fatal(err)
	}
	before := files(t, s)
	for _, file := range []string{"families/tiny.json", "models/cats.json", "aliases/live.json"} {
		write(t, filepath.Join(s.Dir(), file), `{"na`)
	}
	s = reopen(t, s)
	s.KeepVersions(2)
	if n := len(s.Damaged()); n != 3 {
		t.Fatalf("%d damaged pointers", n)
	}
	put(t, s, "dogs", "c")
	put(t, s, "twin", "cat")
	for what, err := range map[string]error{"a name": s.DeleteVariant("twin"), "a version": s.DeleteVersion("dogs", 1), "a damaged one": s.DeleteVariant("cats")} {
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "live.json") {
			t.Errorf("%s, which the alias may point to, was deleted: %v", what, err)
		}
	}
	if got := versionsOf(t, s, "dogs"); got != "1=a 2=b 3=c" {
		t.Errorf("versions %q", got)
	}
	after := files(t, s)
	for _, file := range before {
		if !slices.Contains(after, file) {
			t.Errorf("%s was removed", file)
		}
	}
	v, raw := labelled(t, "cat")
	for _, name := range []string{"cats", "live"} {
		if _, _, err := s.PutVariant(name, v, raw); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("put over the damaged %s: %v", name, err)
		}
	}
	if _, err := s.PutAlias(store.Alias{Name: "cats", Targets: live.Targets}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("an alias with the name of a damaged model: %v", err)
	}
	if _, err := s.Collect(store.CollectOptions{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("collected with damaged pointers: %v", err)
	}

	// Setting, removing and fitting again repairs them.
	if _, err := s.PutAlias(live); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"twin", "cats"} {
		if err := s.DeleteVariant(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.ReadVariant(cat.Digest); err != nil {
		t.Errorf("the file that a damaged pointer led to: %v", err)
	}
	put(t, s, "cats", "cat")
	if _, err := s.PutBasis(tinyBasis()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Damaged()...); err != nil {
		t.Error(err)
	}
	checkIntact(t, reopen(t, s))
	write(t, filepath.Join(s.Dir(), "aliases/live.json"), "")
	if s = reopen(t, s); s.DeleteAlias("live") != nil || len(s.Damaged()) != 0 {
		t.Errorf("a damaged alias is not removed: %v", s.Damaged())
	}
}

// A pointer that the disk cannot read is damaged too. After a change that failed the
// pointers are read again, since the change may have happened.
func TestUnreadablePointer(t *testing.T) {
	s := create(t)
	put(t, s, "cats", "cat")
	if err := os.MkdirAll(filepath.Join(s.Dir(), "models", "dogs.json", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	v, raw := labelled(t, "dog")
	if _, _, err := s.PutVariant("dogs", v, raw); err == nil || len(s.Damaged()) != 0 {
		t.Fatalf("%v, %v", err, s.Damaged())
	}
	if _, err := s.Refresh(false); err != nil || len(s.Damaged()) != 1 || strings.Contains(s.Damaged()[0].Error(), s.Dir()) {
		t.Errorf("%v, %v", err, s.Damaged())
	}
	put(t, s, "cats", "dog")
	if got := versionsOf(t, reopen(t, s), "cats"); got != "1=cat 2=dog" {
		t.Errorf("versions %q", got)
	}
	// A pointer that was repaired by hand is noticed.
	reading, err := s.Refresh(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.Dir(), "models", "dogs.json")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.Dir(), "models", "dogs.json"), "")
	if again, err := s.Refresh(false); err != nil || again == reading || len(s.Damaged()) != 1 {
		t.Errorf("%v, %v", err, s.Damaged())
	}
	os.Remove(filepath.Join(s.Dir(), "models", "dogs.json"))
	put(t, s, "dogs", "dog")
	if _, err := s.Refresh(false); err != nil || len(s.Damaged()) != 0 {
		t.Errorf("%v, %v", err, s.Damaged())
	}
}

// breakDigest replaces the digest in a pointer with another one and opens the store again.
func breakDigest(t *testing.T, s *store.Store, e store.Entry) *store.Store {
	t.Helper()
	path := filepath.Join(s.Dir(), "models", e.Name+".json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(raw), e.Digest, store.Digest(nil), 1))
	return reopen(t, s)
}

// A pointer with a wrong digest leads to no file.
func TestPointerToMissingFile(t *testing.T) {
	s := create(t)
	s = breakDigest(t, s, put(t, s, "cats", "cat"))
	e, err := s.Entry("cats")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadVariant(e.Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v, want %v", err, store.ErrNotFound)
	}
}

// What a crash leaves behind is ignored, in a store and in one that was being made.
func TestLeftovers(t *testing.T) {
	s := create(t)
	put(t, s, "cats", "cat")
	for _, file := range []string{".store.json.0123.tmp", "models/.cats.json.0123.tmp", "models/.dogs.json.0123.tmp",
		"families/.tiny.json.0123.tmp", "blobs/.abc.safetensors.0123.tmp", "blobs/" + store.Digest(nil) + ".safetensors", "models/README"} {
		write(t, filepath.Join(s.Dir(), file), `{"na`)
	}
	s = reopen(t, s)
	if n := len(s.Variants()); n != 1 {
		t.Errorf("%d variants", n)
	}
	put(t, s, "dogs", "dog")
	checkIntact(t, reopen(t, s))

	dir := t.TempDir()
	write(t, filepath.Join(dir, ".store.json.0123.tmp"), `{"form`)
	for _, sub := range []string{"families", "models"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Create(dir)
	if err != nil {
		t.Fatalf("Create after an interrupted Create: %v", err)
	}
	writeBasis(t, s)
	put(t, s, "cats", "cat")
	checkIntact(t, reopen(t, s))

	dir = t.TempDir()
	write(t, filepath.Join(dir, "models", "other.json"), `{}`)
	if _, err := store.Create(dir); !errors.Is(err, store.ErrNoStore) {
		t.Errorf("another folder of models was made a store: %v", err)
	}
}
