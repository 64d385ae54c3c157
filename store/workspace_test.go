package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

// fitting opens the folder of a fit that is named by a word.
func fitting(t *testing.T, s *store.Store, word string) *store.Workspace {
	t.Helper()
	f, err := s.Workspace("tiny", store.Digest([]byte(word)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is kept is found again by the same key alone, until it is removed.
func TestFittingKeeps(t *testing.T) {
	s := create(t)
	f := fitting(t, s, "one")
	if f.Layer(0) != nil || f.Numbers("n") != nil || f.Has("n") || f.Note("n") != "" {
		t.Error("a new fit has kept something")
	}
	want := tinyBasis().Layers
	for i := range want {
		if err := f.PutLayer(i, &want[i]); err != nil {
			t.Fatal(err)
		}
	}
	numbers := map[string][]float32{"a": {1, 2, 3}, "b": {-0.5}}
	if err := errors.Join(f.PutNumbers("n", numbers), f.PutNote("n", "text")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Workspace("tiny", store.Digest([]byte("one"))); !errors.Is(err, store.ErrLocked) {
		t.Errorf("twice at once: %v", err)
	}
	if found, err := s.Collect(store.CollectOptions{}); err != nil || found[len(found)-1].Kept != "a fit is at work" {
		t.Errorf("collected while it is at work: %+v, %v", found, err)
	}
	f.Close()
	again := fitting(t, s, "one")
	for i := range want {
		if diff := cmp.Diff(&want[i], again.Layer(i)); diff != "" {
			t.Errorf("layer %d: %s", i, diff)
		}
	}
	if diff := cmp.Diff(numbers, again.Numbers("n")); diff != "" || !again.Has("n") || again.Note("n") != "text" {
		t.Errorf("note %q, numbers %s", again.Note("n"), diff)
	}
	other := fitting(t, s, "two")
	defer other.Close()
	if other.Layer(0) != nil || other.Has("n") || other.Note("n") != "" {
		t.Error("another fit finds it")
	}
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if f.Layer(0) != nil || f.Has("n") {
		t.Error("it is still there")
	}
	other.Close()
	if found, err := s.Collect(store.CollectOptions{}); err != nil || len(found) != 1 || found[0].Kept != "" {
		t.Errorf("not collected: %+v, %v", found, err)
	}
	if _, err := store.Open(s.Dir()); err != nil {
		t.Error(err)
	}
}

// What can't be read counts as missing.
func TestDamagedFitting(t *testing.T) {
	s := create(t)
	f := fitting(t, s, "one")
	if err := errors.Join(f.PutLayer(0, &tinyBasis().Layers[0]), f.PutNumbers("n", map[string][]float32{"a": {1}})); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files, err := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*", "*.safetensors"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if err := os.Truncate(file, 40); err != nil {
			t.Fatal(err)
		}
	}
	if f.Layer(0) != nil || f.Numbers("n") != nil {
		t.Error("half a file is taken for whole")
	}
}

func TestFittingKeyIsADigest(t *testing.T) {
	if _, err := create(t).Workspace("tiny", "../../x"); !errors.Is(err, store.ErrFormat) {
		t.Errorf("%v, want %v", err, store.ErrFormat)
	}
}
