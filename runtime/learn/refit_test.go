package learn_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// TestRefit refits a family with m0 to m3, another checkpoint called m4, and one that is
// no variant. The variant copy is m1 under another name, and m5 has no original.
func TestRefit(t *testing.T) {
	s := teststore.Fitted(t)
	putFile(t, s, "copy", fileOf(t, s, "m1"))
	old := digests(s)
	was, err := s.Family(testfamily.Name)
	testfamily.Must(err)
	given := append(testfamily.Members(t, 0, 1, 2, 3), testfamily.New(44, 4).Open(t, "m4"), testfamily.New(45, 3).Open(t, "more"))
	var stages []string
	r, err := learn.Refit(context.Background(), s, testfamily.Name, given, learn.Options{Gate: gate.Options{Step: 0.25}, Progress: func(stage string, done, total int) {
		if done == total {
			stages = append(stages, stage)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Family(testfamily.Name)
	testfamily.Must(err)
	if r.Was != was.Basis || r.Basis != now.Basis || now.Basis == was.Basis {
		t.Errorf("the report says basis %.12s became %.12s; the store had %.12s and has %.12s", r.Was, r.Basis, was.Basis, now.Basis)
	}
	if stages[len(stages)-1] != "move" {
		t.Errorf("completed stages %q, want the last to be move", stages)
	}
	checkMoves(t, s, r, map[string]string{"m0": "digest of m0", "m1": "digest of m1", "m2": "digest of m2", "m3": "digest of m3",
		"copy": "digest of m1", "m4": "name of m4"})
	if len(r.Stayed) != 1 || r.Stayed[0].Name != "m5" || r.Stayed[0].Basis != was.Basis || !strings.Contains(r.Stayed[0].Why, "not among those given") {
		t.Errorf("stayed: %+v, want m5", r.Stayed)
	}
	if e, err := s.Entry("m5"); err != nil || e.Digest != old["m5"] {
		t.Errorf("m5 changed: %+v, %v", e, err)
	}
	if !slices.Equal(r.Unused, []string{"more"}) {
		t.Errorf("unused: %q, want more", r.Unused)
	}
	if _, err := s.Entry("more"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a checkpoint without a variant was stored: %v", err)
	}
	eng := serve(t, s)
	for name, digest := range digests(s) {
		e, err := s.Entry(name)
		testfamily.Must(err)
		if a := classify(t, eng, name); a.Digest != digest || a.Basis != e.Basis {
			t.Errorf("%s answers as %.12s on basis %.12s, want %.12s on %.12s", name, a.Digest, a.Basis, digest, e.Basis)
		}
	}
}

// checkMoves compares the moves of a refit with what is wanted and with the store.
func checkMoves(t *testing.T, s *store.Store, r *learn.Refitted, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, m := range r.Moved {
		got[m.Name] = m.By + " of " + m.Checkpoint
		e, err := s.Entry(m.Name)
		if err != nil || e.Basis != r.Basis || e.Digest != m.Now.Digest || m.WasBasis != r.Was {
			t.Errorf("%s: the store has %+v, the report %+v: %v", m.Name, e, m, err)
		}
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s was moved by %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d variants were moved, want %d", len(got), len(want))
	}
}

// TestRefitReload checks that an engine that is running sees the new versions.
func TestRefitReload(t *testing.T) {
	s := teststore.Fitted(t)
	eng := serve(t, s)
	_, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1), learn.Options{Metric: "none", Gate: gate.Options{Step: 0.25}})
	testfamily.Must(err)
	_, err = eng.Reload(context.Background(), true) // the engine has the very store that was changed
	testfamily.Must(err)
	for name, digest := range digests(s) {
		e, err := s.Entry(name)
		testfamily.Must(err)
		if a := classify(t, eng, name); a.Digest != digest || a.Basis != e.Basis {
			t.Errorf("%s answers as %.12s on basis %.12s, want %.12s on %.12s", name, a.Digest, a.Basis, digest, e.Basis)
		}
	}
}

func TestRefitRefuses(t *testing.T) {
	s := teststore.Fitted(t)
	dir := filepath.Join(t.TempDir(), "exported")
	testfamily.Must(serve(t, s).Export("m1", dir))
	for name, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		text        string
	}{
		"an exported checkpoint": {testfamily.Name, append(testfamily.Members(t, 0), testfamily.OpenFolder(t, dir)), "originals only"},
		"an unknown family":      {"none", testfamily.Members(t, 0), "eigenserve fit"},
		"another architecture":   {testfamily.Name, all(otherArchitecture(t)), "another architecture"},
		"no checkpoints":         {testfamily.Name, nil, "no checkpoints"},
		"no original":            {testfamily.Name, all(testfamily.New(45, 3).Open(t, "more")), "nothing was changed"},
		"equal names":            {testfamily.Name, append(testfamily.Members(t, 1), testfamily.New(9, 3).Open(t, "m1")), "two checkpoints"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := s.Family(testfamily.Name)
			_, err := learn.Refit(context.Background(), s, c.family, c.checkpoints, learn.Options{})
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want one with %q", err, c.text)
			}
			if after, _ := s.Family(testfamily.Name); after != before {
				t.Errorf("the family changed to %+v", after)
			}
			wantNoFitting(t, s)
		})
	}
}

// wantNoFitting fails if parts of a fit are left in a store.
func wantNoFitting(t *testing.T, s *store.Store) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*")); len(left) != 0 {
		t.Errorf("parts of a fit are left: %v", left)
	}
}

// TestRefitKeepsExactAndFailed checks that exact variants stay exact, and that variants
// that cannot pass stay on their basis and are reported.
func TestRefitKeepsExactAndFailed(t *testing.T) {
	s := teststore.Fitted(t)
	a, err := learn.NewAdder(s, testfamily.Name)
	testfamily.Must(err)
	_, _, err = a.Add(context.Background(), "exact", testfamily.Members(t, 1)[0], gate.Options{Exact: true})
	testfamily.Must(errors.Join(err, a.Close()))
	r, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1, 2), learn.Options{Metric: "none", Gate: gate.Options{MaxKL: 1e-9, MaxBytes: 1}})
	testfamily.Must(err)
	if len(r.Moved) != 1 || r.Moved[0].Name != "exact" || r.Moved[0].Now.Step != 0 {
		t.Errorf("moved: %+v, want exact, at step 0", r.Moved)
	}
	failed := map[string]bool{}
	for _, stay := range r.Stayed {
		failed[stay.Name] = stay.Failed
	}
	if len(failed) != 6 || !failed["m0"] || !failed["m1"] || !failed["m2"] || failed["m3"] {
		t.Errorf("stayed: %+v, want m0 to m5, the first three failed", r.Stayed)
	}
}

// TestRefitResumes interrupts a refit between two variants. Each variant must then be on
// the old or the new basis, and a second run must complete the refit.
func TestRefitResumes(t *testing.T) {
	s := teststore.Fitted(t)
	given := testfamily.FirstMembers(t, testfamily.Size)
	ctx, cancel := context.WithCancel(context.Background())
	o := learn.Options{Metric: "none", Progress: func(stage string, done, _ int) {
		if stage == "move" && done == 2 {
			cancel()
		}
	}}
	first, err := learn.Refit(ctx, s, testfamily.Name, given, o)
	if !errors.Is(err, context.Canceled) || len(first.Moved) != 2 {
		t.Fatalf("first run: %+v, %v", first, err)
	}
	o.Progress = nil
	second, err := learn.Refit(context.Background(), s, testfamily.Name, given, o)
	if err != nil || second.Basis != first.Basis || len(second.Moved) != 4 || len(second.Stayed) != 0 {
		t.Errorf("second run: %+v, %v", second, err)
	}
	for _, e := range s.Variants() {
		if e.Basis != first.Basis || e.Version != 2 {
			t.Errorf("%s: version %d on basis %.12s, want 2 on %.12s", e.Name, e.Version, e.Basis, first.Basis)
		}
	}
	wantNoFitting(t, s)
}

// TestRefitKeepsOthersChanges checks that a refit does not undo what other processes do
// while it runs.
func TestRefitKeepsOthersChanges(t *testing.T) {
	s := teststore.Fitted(t)
	others := testfamily.Reopen(t, s.Dir())
	changed := false
	progress := func(stage string, done, _ int) {
		if stage != "move" || done != 1 || changed {
			return
		}
		changed = true
		testfamily.Must(others.DeleteVariant("m2"))
		putNextVersion(t, others, "m3")
	}
	r, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1, 2, 3), learn.Options{Rank: 7, Gate: gate.Options{Step: 0.25}, Progress: progress})
	if err != nil || !changed {
		t.Fatalf("changed is %t: %v", changed, err)
	}
	var moved, stayed []string
	for _, m := range r.Moved {
		moved = append(moved, m.Name)
	}
	for _, v := range r.Stayed {
		if v.Failed {
			t.Errorf("reported as a failure: %+v", v)
		}
		stayed = append(stayed, v.Name)
	}
	slices.Sort(stayed)
	if !slices.Equal(moved, []string{"m0", "m1"}) || !slices.Equal(stayed, []string{"m3", "m4", "m5"}) {
		t.Errorf("moved %q and stayed %q, want m0, m1 and m3, m4, m5", moved, stayed)
	}
	s = testfamily.Reopen(t, s.Dir())
	if _, err := s.Entry("m2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the removed m2: %v, want ErrNotFound", err)
	}
	want, err := others.Entry("m3")
	testfamily.Must(err)
	if e, err := s.Entry("m3"); err != nil || e.Digest != want.Digest {
		t.Errorf("the replaced m3 is %.12s, want %.12s: %v", e.Digest, want.Digest, err)
	}
}

// TestPlanRefitAfterChanges checks that a variant that was removed or replaced since the
// catalogue was read is not a failure.
func TestPlanRefitAfterChanges(t *testing.T) {
	s := teststore.Fitted(t)
	others := testfamily.Reopen(t, s.Dir())
	others.KeepVersions(1)
	testfamily.Must(others.DeleteVariant("m2"))
	putNextVersion(t, others, "m3")
	moves, r, err := learn.PlanRefit(s, testfamily.Name, testfamily.Members(t, 0, 2, 3))
	if err != nil || moves != 1 {
		t.Errorf("%d moves, want 1: %v", moves, err)
	}
	for _, v := range r.Stayed {
		if v.Name == "m2" || v.Failed {
			t.Errorf("reported to stay: %+v", v)
		}
	}
}

// digests returns the digests of all variants by name.
func digests(s *store.Store) map[string]string {
	out := map[string]string{}
	for _, e := range s.Variants() {
		out[e.Name] = e.Digest
	}
	return out
}

// variantOf reads the current version of a variant.
func variantOf(t *testing.T, s *store.Store, name string) *store.Variant {
	t.Helper()
	e, err := s.Entry(name)
	testfamily.Must(err)
	v, err := s.ReadVariant(e.Digest)
	testfamily.Must(err)
	return v
}

// fileOf returns the file of the current version of a variant.
func fileOf(t *testing.T, s *store.Store, name string) []byte {
	t.Helper()
	file, err := variantOf(t, s, name).Bytes()
	testfamily.Must(err)
	return file
}

// putFile stores the file of a variant under a name.
func putFile(t *testing.T, s *store.Store, name string, file []byte) {
	t.Helper()
	v, err := store.ParseVariant(file)
	testfamily.Must(err)
	_, _, err = s.PutVariant(name, v, file)
	testfamily.Must(err)
}

// putNextVersion stores a new version of a variant that differs only in its provenance.
func putNextVersion(t *testing.T, s *store.Store, name string) {
	t.Helper()
	v := variantOf(t, s, name)
	v.Provenance.Name += "-next"
	file, err := v.Bytes()
	testfamily.Must(err)
	putFile(t, s, name, file)
}
