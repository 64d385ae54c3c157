package runtime

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

func TestRefit(t *testing.T) {
	s := tinyStore(t)
	eng := serve(t, s, Options{})
	old := digests(s)
	was, err := s.Family(tinyFamily)
	must(err)
	// m1 goes by another name too, m4 is given anew under its name, m5 is gone, and
	// one more teaches the basis.
	_, _, err = eng.PutVariant(context.Background(), "alias-of-m1", fileOf(t, eng, "m1"))
	must(err)
	given := append(members(t, 0, 1, 2, 3), newTiny(44, 4).open(t, "m4"), newTiny(45, 3).open(t, "more"))
	var stages []string
	r, err := Refit(context.Background(), s, tinyFamily, given, FitOptions{Gate: Gate{Step: 0.25}, Progress: func(stage string, done, total int) {
		if done == total {
			stages = append(stages, stage)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Family(tinyFamily)
	must(err)
	if r.Was != was.Basis || r.Basis != now.Basis || now.Basis == was.Basis {
		t.Errorf("from %.12s to %.12s; the store had %.12s and has %.12s", r.Was, r.Basis, was.Basis, now.Basis)
	}
	by := map[string]string{}
	for _, m := range r.Moved {
		by[m.Name] = m.By + " of " + m.Checkpoint
		e, err := s.Entry(m.Name)
		if err != nil || e.Basis != r.Basis || e.Digest != m.Now.Digest || m.Basis != was.Basis {
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
	must(err)
	for name := range digests(s) {
		a, _ := classify(t, eng, name, picture(1, 8, 8))
		if e, _ := s.Entry(name); a.Digest != e.Digest || a.Basis != e.Basis {
			t.Errorf("%s answers as %.12s on %.12s", name, a.Digest, a.Basis)
		}
	}
	if n := len(eng.opened()); n != 2 { // m5 stands on the old one
		t.Errorf("%d bases in memory", n)
	}
}

func TestRefitRefuses(t *testing.T) {
	s := tinyStore(t)
	eng := serve(t, s, Options{})
	dir := filepath.Join(t.TempDir(), "exported")
	must(eng.Export("m1", dir))
	other := newTiny(3, 3)
	other.config["num_attention_heads"] = 4
	for what, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		says        string
	}{
		"a rebuilt checkpoint": {tinyFamily, append(members(t, 0), openCheckpoint(t, dir)), "originals only"},
		"no such family":       {"none", members(t, 0), "eigenserve fit"},
		"another architecture": {tinyFamily, []*checkpoint.Checkpoint{other.open(t, "other")}, "another architecture"},
		"no checkpoints":       {tinyFamily, nil, "no checkpoints"},
		"none of a variant":    {tinyFamily, []*checkpoint.Checkpoint{newTiny(45, 3).open(t, "more")}, "nothing was changed"},
		"one name twice":       {tinyFamily, append(members(t, 1), newTiny(9, 3).open(t, "m1")), "two checkpoints"},
	} {
		t.Run(what, func(t *testing.T) {
			before, _ := s.Family(tinyFamily)
			_, err := Refit(context.Background(), s, c.family, c.checkpoints, FitOptions{})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if after, _ := s.Family(tinyFamily); after != before {
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
	s := tinyStore(t)
	eng := serve(t, s, Options{})
	_, _, err := eng.Add(context.Background(), tinyFamily, "whole", members(t, 1)[0], Gate{Exact: true})
	must(err)
	r, err := Refit(context.Background(), s, tinyFamily, members(t, 0, 1, 2), FitOptions{Metric: "none", Gate: Gate{MaxKL: 1e-9, MaxBytes: 1}})
	must(err)
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
	s := tinyStore(t)
	given := members(t, 0, 1, 2, 3, 4, 5)
	ctx, cancel := context.WithCancel(context.Background())
	o := FitOptions{Metric: "none", Progress: func(stage string, done, _ int) {
		if stage == "move" && done == 2 {
			cancel()
		}
	}}
	first, err := Refit(ctx, s, tinyFamily, given, o)
	if !errors.Is(err, context.Canceled) || len(first.Moved) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	o.Progress = nil
	second, err := Refit(context.Background(), s, tinyFamily, given, o)
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
	s := tinyStore(t)
	others := reopen(t, s.Dir())
	begun := false
	progress := func(stage string, done, _ int) {
		if stage != "move" || done != 1 || begun {
			return
		}
		begun = true
		must(others.DeleteVariant("m2"))
		otherVersion(t, others, "m3")
	}
	r, err := Refit(context.Background(), s, tinyFamily, members(t, 0, 1, 2, 3), FitOptions{Rank: 7, Gate: Gate{Step: 0.25}, Progress: progress})
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
	s = reopen(t, s.Dir())
	if _, err := s.Entry("m2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was removed is back: %v", err)
	}
	was, err := others.Entry("m3")
	must(err)
	if e, err := s.Entry("m3"); err != nil || e.Digest != was.Digest {
		t.Errorf("what was replaced is replaced again: %+v, %v", e, err)
	}
}

// A model that is gone since it was listed is no failure.
func TestRefitOfWhatIsGone(t *testing.T) {
	s := tinyStore(t)
	others := reopen(t, s.Dir())
	others.KeepVersions(1)
	must(others.DeleteVariant("m2"))
	otherVersion(t, others, "m3")
	r := Refitted{Family: tinyFamily}
	if moves, err := r.plan(s, newOriginals(nil, members(t, 0, 2, 3))); err != nil || len(moves) != 1 {
		t.Errorf("%+v, %v", moves, err)
	}
	for _, v := range r.Stayed {
		if v.Name == "m2" || v.Failed {
			t.Errorf("%+v", v)
		}
	}
}
