package learn_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// fitUntil fits until a stage has done so many, or to the end.
func fitUntil(t *testing.T, s *store.Store, checkpoints []*checkpoint.Checkpoint, stage string, count int, o learn.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := 0
	o.Progress = func(at string, _, _ int) {
		if at == stage {
			if done++; done == count {
				cancel()
			}
		}
	}
	err := learn.Fit(ctx, s, "family", checkpoints, o)
	if want := stage != ""; errors.Is(err, context.Canceled) != want || !want && err != nil {
		t.Fatalf("cut off in stage %q: %v", stage, err)
	}
}

// keptFiles are those of the fits under way, by their path.
func keptFiles(t *testing.T, s *store.Store) map[string]fs.FileInfo {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]fs.FileInfo{}
	for _, path := range paths {
		if out[path], err = os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// basisOf opens a family's basis.
func basisOf(t *testing.T, s *store.Store) *store.Basis {
	t.Helper()
	f, err := s.Family("family")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.OpenBasis(f.Basis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// A fit that is cut off in one stage after the other goes on where it was, does
// nothing twice, and comes to the basis that it would have come to at once.
func TestFitGoesOn(t *testing.T) {
	at := testfamily.EmptyStore(t)
	fitUntil(t, at, testfamily.FirstMembers(t, 4), "", 0, learn.Options{})

	s := testfamily.EmptyStore(t)
	var kept map[string]fs.FileInfo
	for _, stop := range []struct {
		stage string
		count int
		files int // kept at least
	}{{"measure", 2, 0}, {"measure", 4, 1}, {"fit", 1, 2}, {"fit", 3, 4}, {"store", 2, 6}} {
		fitUntil(t, s, testfamily.FirstMembers(t, 4), stop.stage, stop.count, learn.Options{})
		now := keptFiles(t, s)
		if len(now) < max(stop.files, len(kept)) {
			t.Errorf("cut off after %s %d: %d files are kept, %d before", stop.stage, stop.count, len(now), len(kept))
		}
		for path, was := range kept {
			if is := now[path]; is == nil || !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime()) {
				t.Errorf("cut off after %s %d: %s was done again", stop.stage, stop.count, filepath.Base(path))
			}
		}
		kept = now
	}
	variants := s.Variants()
	fitUntil(t, s, testfamily.FirstMembers(t, 4), "", 0, learn.Options{})
	if left := keptFiles(t, s); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, v := range variants {
		if again, err := s.Entry(v.Name); err != nil || again.Digest != v.Digest {
			t.Errorf("%s was stored again: %v", v.Name, err)
		}
	}
	if len(s.Variants()) != 4 {
		t.Errorf("%d variants", len(s.Variants()))
	}
	sameBasis(t, basisOf(t, at), basisOf(t, s))
}

func sameBasis(t *testing.T, a, b *store.Basis) {
	t.Helper()
	for i := range a.Layers {
		x, y := &a.Layers[i], &b.Layers[i]
		if !bytes.Equal(x.Mean.Data, y.Mean.Data) || !bytes.Equal(x.Left.Data, y.Left.Data) || !bytes.Equal(x.Right.Data, y.Right.Data) ||
			!slices.Equal(x.LeftScale, y.LeftScale) || !slices.Equal(x.RightScale, y.RightScale) {
			t.Errorf("layer %q is another", x.Name)
		}
	}
	for i := range a.Vectors {
		if !slices.Equal(a.Vectors[i].Scale, b.Vectors[i].Scale) || a.RMS != b.RMS {
			t.Errorf("vector %q is another", a.Vectors[i].Name)
		}
	}
}

// A measurement that is cut off goes on behind the members whose sums were kept,
// and comes to the same bits; where a part of what was kept is gone it begins anew.
func TestMeasuringGoesOn(t *testing.T) {
	at := testfamily.EmptyStore(t)
	fitUntil(t, at, testfamily.FirstMembers(t, 5), "", 0, learn.Options{})
	for what, c := range map[string]struct {
		spoil func(dir string) error
		first int // that is measured when it goes on
	}{
		"untouched":      {func(string) error { return nil }, 4},
		"a note cut off": {func(dir string) error { return os.Truncate(filepath.Join(dir, "sums-0000.txt"), 9) }, 1},
		"a file gone":    {func(dir string) error { return os.Remove(filepath.Join(dir, "sums-0000-0003-0001.safetensors")) }, 1},
		"a layer's file of another's size": {func(dir string) error {
			return tensorfile.WriteFile(filepath.Join(dir, "sums-0000-0003-0001.safetensors"), map[string]tensorfile.Tensor{
				"input": tensorfile.FromFloat32("F32", []int{1}, []float32{1}), "output": tensorfile.FromFloat32("F32", []int{1}, []float32{1})}, nil)
		}, 1},
	} {
		s := testfamily.EmptyStore(t)
		fitUntil(t, s, testfamily.FirstMembers(t, 5), "measure", 3, learn.SaveEvery(learn.Options{}, 1))
		dirs, err := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*"))
		if err != nil || len(dirs) != 1 {
			t.Fatalf("%s: %v, %v", what, dirs, err)
		}
		if old, _ := filepath.Glob(filepath.Join(dirs[0], "sums-0000-0002-*")); len(old) != 0 {
			t.Errorf("%s: the sums before are still there: %v", what, old)
		}
		if err := c.spoil(dirs[0]); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		first := 0
		err = learn.Fit(context.Background(), s, "family", testfamily.FirstMembers(t, 5), learn.Options{Progress: func(stage string, done, _ int) {
			if stage == "measure" && first == 0 {
				first = done
			}
			if left, _ := filepath.Glob(filepath.Join(dirs[0], "sums-*")); stage == "fit" && len(left) > 0 && what == "untouched" {
				t.Errorf("%s: when it was measured, left behind: %v", what, left)
			}
		}})
		if err != nil || first != c.first {
			t.Errorf("%s: goes on with member %d, want %d: %v", what, first, c.first, err)
		}
		sameBasis(t, basisOf(t, at), basisOf(t, s))
	}
}

// Another checkpoint under the same name, or another option, is another fit.
func TestFitOfOthersStartsOver(t *testing.T) {
	s := testfamily.EmptyStore(t)
	fitUntil(t, s, testfamily.FirstMembers(t, 4), "fit", 2, learn.Options{Rank: 3})
	before := keptFiles(t, s)
	others := testfamily.FirstMembers(t, 3)
	for what, run := range map[string]func(){
		"another rank": func() { fitUntil(t, s, testfamily.FirstMembers(t, 4), "", 0, learn.Options{Rank: 2}) },
		"another checkpoint": func() {
			fitUntil(t, s, append(others, testfamily.New(77, 3).Open(t, "m3")), "", 0, learn.Options{Rank: 3})
		},
	} {
		run()
		after := keptFiles(t, s)
		for path, was := range before {
			if is := after[path]; is == nil || !os.SameFile(was, is) {
				t.Errorf("%s touched %s", what, path)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s left %d files where there were %d", what, len(after), len(before))
		}
	}
}
