package runtime

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// fitUntil fits until a stage has done so many, or to the end.
func fitUntil(t *testing.T, s *store.Store, checkpoints []*checkpoint.Checkpoint, stage string, count int, o FitOptions) {
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
	err := Fit(ctx, s, "family", checkpoints, o)
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

func tinyCheckpoints(t *testing.T, n int) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for i := range n {
		name, c := member(i)
		out = append(out, c.open(t, name))
	}
	return out
}

// A fit that is cut off in one stage after the other goes on where it was, does
// nothing twice, and comes to the basis that it would have come to at once.
func TestFitGoesOn(t *testing.T) {
	at := emptyStore(t)
	fitUntil(t, at, tinyCheckpoints(t, 4), "", 0, FitOptions{})

	s := emptyStore(t)
	var kept map[string]fs.FileInfo
	for _, stop := range []struct {
		stage string
		count int
		files int // kept at least
	}{{"measure", 2, 0}, {"measure", 4, 1}, {"fit", 1, 2}, {"fit", 3, 4}, {"store", 2, 6}} {
		fitUntil(t, s, tinyCheckpoints(t, 4), stop.stage, stop.count, FitOptions{})
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
	fitUntil(t, s, tinyCheckpoints(t, 4), "", 0, FitOptions{})
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
	at := emptyStore(t)
	fitUntil(t, at, tinyCheckpoints(t, 5), "", 0, FitOptions{})
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
		s := emptyStore(t)
		fitUntil(t, s, tinyCheckpoints(t, 5), "measure", 3, FitOptions{keepEvery: 1})
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
		err = Fit(context.Background(), s, "family", tinyCheckpoints(t, 5), FitOptions{Progress: func(stage string, done, _ int) {
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
	s := emptyStore(t)
	fitUntil(t, s, tinyCheckpoints(t, 4), "fit", 2, FitOptions{Rank: 3})
	before := keptFiles(t, s)
	others := tinyCheckpoints(t, 3)
	for what, run := range map[string]func(){
		"another rank":       func() { fitUntil(t, s, tinyCheckpoints(t, 4), "", 0, FitOptions{Rank: 2}) },
		"another checkpoint": func() { fitUntil(t, s, append(others, newTiny(77, 3).open(t, "m3")), "", 0, FitOptions{Rank: 3}) },
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

// A projector is dropped when nobody uses it, and made again for who does.
func TestIdleProjectorIsDropped(t *testing.T) {
	s := emptyStore(t)
	fitUntil(t, s, tinyCheckpoints(t, 3), "", 0, FitOptions{})
	eng := serve(t, s, Options{})
	f, _, err := eng.current("family")
	if err != nil {
		t.Fatal(err)
	}
	without := f.bytes()
	a, err := f.project()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.project(); err != nil || b != a {
		t.Errorf("two projectors, or %v", err)
	}
	a.done()
	f.dropProjector()
	if f.projector.Load() != a || f.bytes() <= without {
		t.Error("dropped while it is used")
	}
	a.done()
	f.dropProjector()
	if f.projector.Load() != nil || f.bytes() != without {
		t.Error("still there when nobody uses it")
	}
	c, err := f.project()
	if err != nil || c == a {
		t.Errorf("%v", err)
	}
	c.done()
}

// Who drops a projector closes its file, and nobody else: a second close at the same
// time would unmap what was mapped there meanwhile.
func TestDroppedProjectorIsClosedOnce(t *testing.T) {
	s := emptyStore(t)
	fitUntil(t, s, tinyCheckpoints(t, 3), "", 0, FitOptions{})
	f, _, err := serve(t, s, Options{}).current("family")
	if err != nil {
		t.Fatal(err)
	}
	usual, closed := closeForgotten, make(chan bool, 1)
	defer func() { closeForgotten = usual }()
	closeForgotten = func(*tensorfile.File) { closed <- true }
	p, err := f.project()
	if err != nil {
		t.Fatal(err)
	}
	p.done()
	f.dropProjector()
	goruntime.GC()
	select {
	case <-closed:
		t.Error("a dropped projector's file was closed again once it was collected")
	case <-time.After(100 * time.Millisecond):
	}
}
