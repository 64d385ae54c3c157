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

func TestRefit(t *testing.T) {
	s := teststore.Fitted(t)
	eng := serve(t, s)
	old := digests(s)
	was, err := s.Family(testfamily.Name)
	testfamily.Must(err)
	// m1 goes by another name too, m4 is given anew under its name, m5 is gone, and
	// one more teaches the basis.
	_, _, err = eng.PutVariant(context.Background(), "alias-of-m1", fileOf(t, s, "m1"))
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
		t.Errorf("from %.12s to %.12s; the store had %.12s and has %.12s", r.Was, r.Basis, was.Basis, now.Basis)
	}
	by := map[string]string{}
	for _, m := range r.Moved {
		by[m.Name] = m.By + " of " + m.Checkpoint
		e, err := s.Entry(m.Name)
		if err != nil || e.Basis != r.Basis || e.Digest != m.Now.Digest || m.WasBasis != was.Basis {
			t.Errorf("%s: %+v, %v", m.Name, e, err)
		}
	}
	for name, want := range map[string]string{"m0": "digest of m0", "m1": "digest of m1", "alias-of-m1": "digest of m1", "m4": "name of m4", "m5": ""} {
		if by[name] != want {
			t.Errorf("%s was moved by %q, want %q", name, by[name], want)
		}
	}
	if len(r.Stayed) != 1 || r.Stayed[0].Name != "m5" || r.Stayed[0].Basis != was.Basis || !strings.Contains(r.Stayed[0].Why, "not among those given") {
		t.Errorf("stayed: %+v", r.Stayed)
	}
	if e, err := s.Entry("m5"); err != nil || e.Digest != old["m5"] {
		t.Errorf("m5: %+v, %v", e, err)
	}
	if !slices.Equal(r.Unused, []string{"more"}) {
		t.Errorf("unused: %v", r.Unused)
	}
	if _, err := s.Entry("more"); !errors.Is(err, store.ErrNotFound) {
		t.Error("a checkpoint that only taught the basis has become a variant")
	}
	if stages[len(stages)-1] != "move" {
		t.Errorf("stages %v", stages)
	}
	_, err = eng.Reload(context.Background(), true) // the store is one and the same
	testfamily.Must(err)
	for name := range digests(s) {
		a := classify(t, eng, name)
		if e, _ := s.Entry(name); a.Digest != e.Digest || a.Basis != e.Basis {
			t.Errorf("%s answers as %.12s on %.12s", name, a.Digest, a.Basis)
		}
	}
}

func TestRefitRefuses(t *testing.T) {
	s := teststore.Fitted(t)
	eng := serve(t, s)
	dir := filepath.Join(t.TempDir(), "exported")
	testfamily.Must(eng.Export("m1", dir))
	other := testfamily.New(3, 3)
	other.Config["num_attention_heads"] = 4
	for what, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		says        string
	}{
		"a rebuilt checkpoint": {testfamily.Name, append(testfamily.Members(t, 0), testfamily.OpenFolder(t, dir)), "originals only"},
		"no such family":       {"none", testfamily.Members(t, 0), `no family "none"`},
		"another architecture": {testfamily.Name, []*checkpoint.Checkpoint{other.Open(t, "other")}, "another architecture"},
		"no checkpoints":       {testfamily.Name, nil, "no checkpoints"},
		"none of a variant":    {testfamily.Name, []*checkpoint.Checkpoint{testfamily.New(45, 3).Open(t, "more")}, "nothing was changed"},
		"one name twice":       {testfamily.Name, append(testfamily.Members(t, 1), testfamily.New(9, 3).Open(t, "m1")), "two checkpoints"},
	} {
		t.Run(what, func(t *testing.T) {
			before, _ := s.Family(testfamily.Name)
			_, err := learn.Refit(context.Background(), s, c.family, c.checkpoints, learn.Options{})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if after, _ := s.Family(testfamily.Name); after != before {
				t.Errorf("the family changed: %+v", after)
			}
			if left, _ := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What was kept bit for bit is so again, and what can't pass stays and is named.
func TestRefitKeepsPromises(t *testing.T) {
	s := teststore.Fitted(t)
	eng := serve(t, s)
	_, _, err := eng.Add(context.Background(), testfamily.Name, "whole", testfamily.Members(t, 1)[0], gate.Options{Exact: true})
	testfamily.Must(err)
	r, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1, 2), learn.Options{Metric: "none", Gate: gate.Options{MaxKL: 1e-9, MaxBytes: 1}})
	testfamily.Must(err)
	if len(r.Moved) != 1 || r.Moved[0].Name != "whole" || r.Moved[0].Now.Step != 0 {
		t.Errorf("moved: %+v", r.Moved)
	}
	failed := map[string]bool{}
	for _, stay := range r.Stayed {
		failed[stay.Name] = stay.Failed
	}
	if len(failed) != 6 || !failed["m0"] || !failed["m1"] || !failed["m2"] || failed["m3"] {
		t.Errorf("stayed: %+v", r.Stayed)
	}
}

// TestRefitGoesOn: one that is cut off between two variants leaves each on the
// old basis or the new, and when it is run again, it comes to the end that it
// would have come to.
func TestRefitGoesOn(t *testing.T) {
	s := teststore.Fitted(t)
	given := testfamily.Members(t, 0, 1, 2, 3, 4, 5)
	ctx, cancel := context.WithCancel(context.Background())
	o := learn.Options{Metric: "none", Progress: func(stage string, done, _ int) {
		if stage == "move" && done == 2 {
			cancel()
		}
	}}
	first, err := learn.Refit(ctx, s, testfamily.Name, given, o)
	if !errors.Is(err, context.Canceled) || len(first.Moved) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	o.Progress = nil
	second, err := learn.Refit(context.Background(), s, testfamily.Name, given, o)
	if err != nil || second.Basis != first.Basis || len(second.Moved) != 4 || len(second.Stayed) != 0 {
		t.Errorf("%+v, %v", second, err)
	}
	for _, e := range s.Variants() {
		if e.Basis != first.Basis || e.Version != 2 {
			t.Errorf("%s: version %d on basis %.12s", e.Name, e.Version, e.Basis)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "fitting", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What others do with a model while a refit is at work stays as they did it.
func TestRefitBesideOthers(t *testing.T) {
	s := teststore.Fitted(t)
	others := testfamily.Reopen(t, s.Dir())
	begun := false
	progress := func(stage string, done, _ int) {
		if stage != "move" || done != 1 || begun {
			return
		}
		begun = true
		testfamily.Must(others.DeleteVariant("m2"))
		otherVersion(t, others, "m3")
	}
	r, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1, 2, 3), learn.Options{Rank: 7, Gate: gate.Options{Step: 0.25}, Progress: progress})
	if err != nil || !begun {
		t.Fatal(err)
	}
	var moved, stayed []string
	for _, m := range r.Moved {
		moved = append(moved, m.Name)
	}
	for _, v := range r.Stayed {
		if v.Failed {
			t.Errorf("%+v", v)
		}
		stayed = append(stayed, v.Name)
	}
	slices.Sort(stayed)
	if !slices.Equal(moved, []string{"m0", "m1"}) || !slices.Equal(stayed, []string{"m3", "m4", "m5"}) {
		t.Errorf("moved %v, stayed %v", moved, stayed)
	}
	s = testfamily.Reopen(t, s.Dir())
	if _, err := s.Entry("m2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was removed is back: %v", err)
	}
	was, err := others.Entry("m3")
	testfamily.Must(err)
	if e, err := s.Entry("m3"); err != nil || e.Digest != was.Digest {
		t.Errorf("what was replaced is replaced again: %+v, %v", e, err)
	}
}

// A model that is gone since it was listed is no failure.
func TestRefitOfWhatIsGone(t *testing.T) {
	s := teststore.Fitted(t)
	others := testfamily.Reopen(t, s.Dir())
	others.KeepVersions(1)
	testfamily.Must(others.DeleteVariant("m2"))
	otherVersion(t, others, "m3")
	moves, r, err := learn.PlanRefit(s, testfamily.Name, testfamily.Members(t, 0, 2, 3))
	if err != nil || moves != 1 {
		t.Errorf("%d moves, %v", moves, err)
	}
	for _, v := range r.Stayed {
		if v.Name == "m2" || v.Failed {
			t.Errorf("%+v", v)
		}
	}
}

// digests returns the digest of every variant by name.
func digests(s *store.Store) map[string]string {
	out := map[string]string{}
	for _, e := range s.Variants() {
		out[e.Name] = e.Digest
	}
	return out
}

// fileOf returns the file of a name's current version.
func fileOf(t *testing.T, s *store.Store, name string) []byte {
	t.Helper()
	e, err := s.Entry(name)
	testfamily.Must(err)
	v, err := s.ReadVariant(e.Digest)
	testfamily.Must(err)
	file, err := v.Bytes()
	testfamily.Must(err)
	return file
}

// otherVersion replaces a name's current version by one that differs in its provenance
// alone.
func otherVersion(t *testing.T, s *store.Store, name string) store.Entry {
	t.Helper()
	e, err := s.Entry(name)
	testfamily.Must(err)
	v, err := s.ReadVariant(e.Digest)
	testfamily.Must(err)
	v.Provenance.Name += "-next"
	file, err := v.Bytes()
	testfamily.Must(err)
	v, err = store.ParseVariant(file)
	testfamily.Must(err)
	e, _, err = s.PutVariant(name, v, file)
	testfamily.Must(err)
	return e
}
