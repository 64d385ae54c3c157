package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

// versionsOf returns a name's versions as "1=label 3=label".
func versionsOf(t *testing.T, s *store.Store, name string) string {
	t.Helper()
	versions, err := s.Versions(name)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range versions {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d=%s", e.Version, v.Labels[0]))
	}
	return strings.Join(out, " ")
}

func TestVersions(t *testing.T) {
	s := create(t)
	is := func(want string) {
		t.Helper()
		for _, s := range []*store.Store{s, reopen(t, s)} {
			if got := versionsOf(t, s, "cats"); got != want {
				t.Errorf("versions %q, want %q", got, want)
			}
			e, _ := s.Entry("cats")
			if last := want[strings.LastIndexByte(want, ' ')+1:]; !strings.HasPrefix(last, fmt.Sprint(e.Version, "=")) {
				t.Errorf("the current version is %d of %q", e.Version, want)
			}
			checkIntact(t, s)
		}
	}
	drop := func(version int) {
		t.Helper()
		if err := s.DeleteVersion("cats", version); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "cats", "a")
	is("1=a")
	put(t, s, "cats", "a") // the same file again
	is("1=a")
	put(t, s, "cats", "b")
	put(t, s, "cats", "a") // the file of an older version
	is("1=a 2=b 3=a")
	put(t, s, "cats", "d") // one more than is kept
	is("2=b 3=a 4=d")
	drop(4)
	is("2=b 3=a")
	put(t, s, "cats", "e") // number 4 is not used again
	is("2=b 3=a 5=e")
	drop(3)
	is("2=b 5=e")
	s.KeepVersions(1)
	put(t, s, "cats", "f")
	is("6=f")
	if blobs, _ := filepath.Glob(filepath.Join(s.Dir(), "blobs", "*")); len(blobs) != 2 {
		t.Errorf("%d files for one version and its basis", len(blobs))
	}
	for _, missing := range []int{0, -1, 5, 7} {
		if err := s.DeleteVersion("cats", missing); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("version %d: %v", missing, err)
		}
	}
	if err := s.DeleteVersion("dogs", 1); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	drop(6)
	if diff := cmp.Diff(emptyFiles(t), files(t, s)); diff != "" {
		t.Errorf("after the last version is deleted: %s", diff)
	}
}

// A pointer from before names had versions is read.
func TestPointerBeforeVersions(t *testing.T) {
	s := create(t)
	e := put(t, s, "cats", "a")
	os.Remove(filepath.Join(s.Dir(), "aliases"))
	old := fmt.Sprintf(`{"name":"cats","digest":%q,"family":"tiny","basis":%q,"bytes":%d,"source_bytes":1000,"classes":1,"step":0.5,"energy":0.9,"added":"2025-01-02T03:04:05Z"}`,
		e.Digest, e.Basis, e.Bytes)
	if err := os.WriteFile(filepath.Join(s.Dir(), "models", "cats.json"), []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if got := versionsOf(t, s, "cats"); got != "1=a" {
		t.Fatalf("versions %q", got)
	}
	put(t, s, "cats", "b")
	if _, err := s.PutAlias(store.Alias{Name: "live", Targets: []store.Target{{Model: "cats", Version: 1, Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	if s = reopen(t, s); versionsOf(t, s, "cats") != "1=a 2=b" || len(s.Aliases()) != 1 {
		t.Errorf("versions %q, aliases %v", versionsOf(t, s, "cats"), s.Aliases())
	}
}

func TestInvalidPointers(t *testing.T) {
	s := create(t)
	e := put(t, s, "cats", "a")
	entry := fmt.Sprintf(`"name":"cats","digest":%q,"basis":%q`, e.Digest, e.Basis)
	for _, c := range []struct{ file, content, want string }{
		{"models/cats.json", `{` + entry + `,"version":2,"next":2}`, "the next version would be 2"},
		{"models/cats.json", `{` + entry + `,"version":0,"next":2}`, "version 0"},
		{"models/cats.json", `{` + entry + `,"version":-1,"next":2}`, "version -1"},
		{"models/cats.json", `{` + entry + `,"version":2,"next":9,"older":[{` + entry + `,"version":2}]}`, "version 2 comes after version 2"},
		{"models/cats.json", `{` + entry + `,"version":2,"next":9,"older":[{"version":1}]}`, "pointer of"},
		{"models/cats.json", `{` + entry + `,"version":2,"next":9,"older":[{"name":"cats","digest":"../../x","version":1}]}`, "not a digest"},
		{"aliases/live.json", `{"name":"dead","targets":[{"model":"cats","weight":1}]}`, "pointer of"},
		{"aliases/live.json", `{"name":"live"}`, "1 to 64 targets"},
		{"aliases/live.json", `{"name":"live","targets":[{"model":"../cats","weight":1}]}`, "bad name"},
		{"aliases/live.json", `{"name":"live","targets":[{"model":"cats","weight":9223372036854775807}]}`, "weight"},
	} {
		path := filepath.Join(s.Dir(), filepath.FromSlash(c.file))
		was, _ := os.ReadFile(path)
		if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(reopen(t, s).Damaged()...); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.content, err, c.want)
		}
		os.Remove(path)
		if was != nil {
			os.WriteFile(path, was, 0o644)
		}
	}
}

func TestReferenced(t *testing.T) {
	s := create(t)
	f, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	a, b := put(t, s, "cats", "a"), put(t, s, "cats", "b")
	want := map[string]bool{f.Basis: true, a.Digest: true, b.Digest: true, a.Basis: true}
	if diff := cmp.Diff(want, s.Referenced()); diff != "" {
		t.Error(diff)
	}
	if s.Uses(a.Digest) != 1 || s.Uses(f.Basis) != 0 {
		t.Error("Uses counts wrongly")
	}
}
