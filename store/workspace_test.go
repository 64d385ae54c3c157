package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

// workspace opens the workspace of a fit whose key is made from a word.
func workspace(t *testing.T, s *store.Store, word string) *store.Workspace {
	t.Helper()
	f, err := s.Workspace("tiny", store.Digest([]byte(word)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A workspace is found again under its own key only, until it is removed.
func TestWorkspace(t *testing.T) {
	s := create(t)
	f := workspace(t, s, "one")
	if f.Layer(0) != nil || f.Numbers("n") != nil || f.Has("n") || f.Note("n") != "" {
		t.Error("a new workspace is not empty")
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
		t.Errorf("opened twice: %v", err)
	}
	if found, err := s.Collect(store.CollectOptions{}); err != nil || found[len(found)-1].Kept != "a fit is at work" {
		t.Errorf("collected while the fit is at work: %+v, %v", found, err)
	}
	f.Close()
	again := workspace(t, s, "one")
	for i := range want {
		if diff := cmp.Diff(&want[i], again.Layer(i)); diff != "" {
			t.Errorf("layer %d: %s", i, diff)
		}
	}
	if diff := cmp.Diff(numbers, again.Numbers("n")); diff != "" || !again.Has("n") || again.Note("n") != "text" {
		t.Errorf("note %q, numbers %s", again.Note("n"), diff)
	}
	other := workspace(t, s, "two")
	defer other.Close()
	if other.Layer(0) != nil || other.Has("n") || other.Note("n") != "" {
		t.Error("another fit finds the same files")
	}
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if f.Layer(0) != nil || f.Has("n") {
		t.Error("its files are still there")
	}
	other.Close()
	if found, err := s.Collect(store.CollectOptions{}); err != nil || len(found) != 1 || found[0].Kept != "" {
		t.Errorf("not collected: %+v, %v", found, err)
	}
	if _, err := store.Open(s.Dir()); err != nil {
		t.Error(err)
	}
}

// A file that cannot be read counts as missing.
func TestDamagedWorkspace(t *testing.T) {
	s := create(t)
	f := workspace(t, s, "one")
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
		t.Error("half a file was read")
	}
}

func TestWorkspaceKey(t *testing.T) {
	if _, err := create(t).Workspace("tiny", "../../x"); !errors.Is(err, store.ErrFormat) {
		t.Errorf("%v, want %v", err, store.ErrFormat)
	}
}
