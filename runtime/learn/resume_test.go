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

// fit fits a family called "family" to the end.
func fit(t *testing.T, s *store.Store, checkpoints []*checkpoint.Checkpoint, o learn.Options) {
	t.Helper()
	if err := learn.Fit(context.Background(), s, "family", checkpoints, o); err != nil {
		t.Fatal(err)
	}
}

// fitUntil fits a family called "family" until a stage has reported progress count times,
// and interrupts it there.
func fitUntil(t *testing.T, s *store.Store, checkpoints []*checkpoint.Checkpoint, stage string, count int, o learn.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	calls := 0
	o.Progress = func(at string, _, _ int) {
		if at == stage {
			if calls++; calls == count {
				cancel()
			}
		}
	}
	if err := learn.Fit(ctx, s, "family", checkpoints, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted in stage %q: error %v, want Canceled", stage, err)
	}
}

// keptFiles returns the files of all interrupted fits by path.
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

// basisOf opens the current basis of the family called "family".
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

// wantSameBasis fails unless two bases have the same tensors and scales.
func wantSameBasis(t *testing.T, got, want *store.Basis) {
	t.Helper()
	for i := range want.Layers {
		x, y := &want.Layers[i], &got.Layers[i]
		if !bytes.Equal(x.Mean.Data, y.Mean.Data) || !bytes.Equal(x.Left.Data, y.Left.Data) || !bytes.Equal(x.Right.Data, y.Right.Data) ||
			!slices.Equal(x.LeftScale, y.LeftScale) || !slices.Equal(x.RightScale, y.RightScale) {
			t.Errorf("layer %q differs", x.Name)
		}
	}
	for i := range want.Vectors {
		if !slices.Equal(want.Vectors[i].Scale, got.Vectors[i].Scale) {
			t.Errorf("the scales of vector %q differ", want.Vectors[i].Name)
		}
	}
	if got.RMS != want.RMS {
		t.Errorf("the root-mean-square coefficient is %g, want %g", got.RMS, want.RMS)
	}
}

// TestFitResumes interrupts a fit in one stage after another. Each run must continue where
// the one before ended, repeat nothing, and the last must come to the basis of a fit that
// was never interrupted.
func TestFitResumes(t *testing.T) {
	whole := testfamily.EmptyStore(t)
	fit(t, whole, testfamily.FirstMembers(t, 4), learn.Options{})

	s := testfamily.EmptyStore(t)
	var kept map[string]fs.FileInfo
	for _, stop := range []struct {
		stage    string
		count    int
		minFiles int // that are kept
	}{{"measure", 2, 0}, {"measure", 4, 1}, {"fit", 1, 2}, {"fit", 3, 4}, {"store", 2, 6}} {
		fitUntil(t, s, testfamily.FirstMembers(t, 4), stop.stage, stop.count, learn.Options{})
		now := keptFiles(t, s)
		if len(now) < max(stop.minFiles, len(kept)) {
			t.Errorf("interrupted after %s %d: %d files are kept, %d were before", stop.stage, stop.count, len(now), len(kept))
		}
		for path, was := range kept {
			if is := now[path]; is == nil || !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime()) {
				t.Errorf("interrupted after %s %d: %s was written again", stop.stage, stop.count, filepath.Base(path))
			}
		}
		kept = now
	}
	variants := s.Variants()
	fit(t, s, testfamily.FirstMembers(t, 4), learn.Options{})
	if left := keptFiles(t, s); len(left) != 0 {
		t.Errorf("files are left after the fit: %v", left)
	}
	for _, v := range variants {
		if now, err := s.Entry(v.Name); err != nil || now.Digest != v.Digest {
			t.Errorf("%s was stored again: %v", v.Name, err)
		}
	}
	if n := len(s.Variants()); n != 4 {
		t.Errorf("%d variants, want 4", n)
	}
	wantSameBasis(t, basisOf(t, s), basisOf(t, whole))
}

// TestMeasurementResumes interrupts the measurement of the metric after its third member.
// The next run must continue after the members whose sums were kept, or start again if a
// part of them is missing, and come to the same bits.
func TestMeasurementResumes(t *testing.T) {
	whole := testfamily.EmptyStore(t)
	fit(t, whole, testfamily.FirstMembers(t, 5), learn.Options{})
	sums := func(dir string) string { return filepath.Join(dir, "sums-0000-0003-0001.safetensors") }
	one := tensorfile.FromFloat32("F32", []int{1}, []float32{1})
	for name, c := range map[string]struct {
		damage func(dir string) error
		first  int // member that the next run measures
	}{
		"undamaged":        {func(string) error { return nil }, 4},
		"a note cut short": {func(dir string) error { return os.Truncate(filepath.Join(dir, "sums-0000.txt"), 9) }, 1},
		"a missing file":   {func(dir string) error { return os.Remove(sums(dir)) }, 1},
		"a file of other sizes": {func(dir string) error {
			return tensorfile.WriteFile(sums(dir), map[string]tensorfile.Tensor{"input": one, "output": one}, nil)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := testfamily.EmptyStore(t)
			fitUntil(t, s, testfamily.FirstMembers(t, 5), "measure", 3, learn.SaveEvery(learn.Options{}, 1))
			dirs, err := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*"))
			if err != nil || len(dirs) != 1 {
				t.Fatalf("folders of fits: %v, %v, want one", dirs, err)
			}
			if old, _ := filepath.Glob(filepath.Join(dirs[0], "sums-0000-0002-*")); len(old) != 0 {
				t.Errorf("earlier sums are left: %v", old)
			}
			if err := c.damage(dirs[0]); err != nil {
				t.Fatal(err)
			}
			first := 0
			fit(t, s, testfamily.FirstMembers(t, 5), learn.Options{Progress: func(stage string, done, _ int) {
				if stage == "measure" && first == 0 {
					first = done
				}
				if left, _ := filepath.Glob(filepath.Join(dirs[0], "sums-*")); stage == "fit" && len(left) > 0 && name == "undamaged" {
					t.Errorf("sums are left after the measurement: %v", left)
				}
			}})
			if first != c.first {
				t.Errorf("continued with member %d, want %d", first, c.first)
			}
			wantSameBasis(t, basisOf(t, s), basisOf(t, whole))
		})
	}
}

// TestOtherFitsStartOver checks that another checkpoint of the same name and another option
// make another fit, which leaves the parts of an interrupted one alone.
func TestOtherFitsStartOver(t *testing.T) {
	s := testfamily.EmptyStore(t)
	fitUntil(t, s, testfamily.FirstMembers(t, 4), "fit", 2, learn.Options{Rank: 3})
	before := keptFiles(t, s)
	for _, c := range []struct {
		name        string
		checkpoints []*checkpoint.Checkpoint
		rank        int
	}{
		{"another rank", testfamily.FirstMembers(t, 4), 2},
		{"another checkpoint", append(testfamily.FirstMembers(t, 3), testfamily.New(77, 3).Open(t, "m3")), 3},
	} {
		fit(t, s, c.checkpoints, learn.Options{Rank: c.rank})
		after := keptFiles(t, s)
		for path, was := range before {
			if is := after[path]; is == nil || !os.SameFile(was, is) {
				t.Errorf("%s: %s was changed", c.name, path)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d files are kept, want %d", c.name, len(after), len(before))
		}
	}
}
