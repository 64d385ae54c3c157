package runtime

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// emptyStore is a store with nothing in it.
func emptyStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFit(t *testing.T) {
	s := emptyStore(t)
	var checkpoints []*checkpoint.Checkpoint
	for i := range 3 {
		name, c := member(i)
		checkpoints = append(checkpoints, c.open(t, name))
	}
	var stages, variants []string
	err := Fit(context.Background(), s, "family", checkpoints, FitOptions{Rank: 7, Gate: Gate{Step: 2.8},
		Progress: func(stage string, done, total int) {
			if done == total {
				stages = append(stages, stage)
			}
		},
		OnVariant: func(v VariantInfo) { variants = append(variants, v.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(stages, []string{"check", "measure", "fit", "store"}) || !slices.Equal(slices.Sorted(slices.Values(variants)), []string{"m0", "m1", "m2"}) {
		t.Errorf("%v, %v", stages, variants)
	}
	eng := serve(t, s, Options{})
	f, err := eng.Family("family")
	if err != nil || f.Rank != 7 || f.Fitted != 3 || f.Variants != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, name := range variants {
		d, err := eng.Variant(name)
		if err != nil || d.Step != 2.8 || !d.Provenance.Fitted {
			t.Errorf("%+v, %v", d, err)
		}
		classify(t, eng, name, picture(1, 8, 8))
	}
}

func TestFitRefuses(t *testing.T) {
	a, b := newTiny(1, 3).open(t, "a"), newTiny(2, 3).open(t, "b")
	other := newTiny(3, 3)
	other.config["num_attention_heads"] = 4
	broken := newTiny(4, 3)
	delete(broken.tensors, "vit.layernorm.bias")
	for what, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		options     FitOptions
		says        string
	}{
		"no checkpoints":       {"family", nil, FitOptions{}, ""},
		"one name twice":       {"family", []*checkpoint.Checkpoint{a, b, newTiny(5, 3).open(t, "a")}, FitOptions{}, `two checkpoints are called "a"`},
		"names but for case":   {"family", []*checkpoint.Checkpoint{a, b, newTiny(5, 3).open(t, "A")}, FitOptions{}, `"a" and "A"`},
		"a folder's bad name":  {"family", []*checkpoint.Checkpoint{a, newTiny(5, 3).open(t, "b c")}, FitOptions{}, "rename"},
		"a family's bad name":  {"a/b", []*checkpoint.Checkpoint{a, b}, FitOptions{}, "a/b"},
		"two architectures":    {"family", []*checkpoint.Checkpoint{a, other.open(t, "other")}, FitOptions{}, "different architectures"},
		"a checkpoint in part": {"family", []*checkpoint.Checkpoint{a, broken.open(t, "broken")}, FitOptions{}, "vit.layernorm.bias"},
		"a negative rank":      {"family", []*checkpoint.Checkpoint{a, b}, FitOptions{Rank: -1}, ""},
		"means of no type":     {"family", []*checkpoint.Checkpoint{a, b}, FitOptions{MeanType: "F7"}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			s := emptyStore(t)
			c.options.Progress = func(stage string, _, _ int) {
				if stage == "fit" && c.family != "family" {
					t.Error("fitted before the name was looked at")
				}
			}
			err := Fit(context.Background(), s, c.family, c.checkpoints, c.options)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			blobs, _ := os.ReadDir(filepath.Join(s.Dir(), "blobs"))
			if len(s.Families()) != 0 || len(s.Variants()) != 0 || len(blobs) != 0 {
				t.Errorf("left behind: %v, %v, %v", s.Families(), s.Variants(), blobs)
			}
		})
	}
}

func TestFitGivenUp(t *testing.T) {
	s := emptyStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	checkpoints := []*checkpoint.Checkpoint{newTiny(1, 3).open(t, "a"), newTiny(2, 3).open(t, "b")}
	if err := Fit(ctx, s, "family", checkpoints, FitOptions{}); err == nil || len(s.Families()) != 0 {
		t.Errorf("%v, %v", err, s.Families())
	}
}

// What a store has under the names is looked at before the work.
func TestFitLooksAtNamesFirst(t *testing.T) {
	s := tinyStore(t)
	if _, err := s.PutAlias(store.Alias{Name: "live", Targets: []store.Target{{Model: "m1", Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	o := FitOptions{Progress: func(stage string, _, _ int) { t.Errorf("%s before the names were looked at", stage) }}
	for family, name := range map[string]string{strings.ToUpper(tinyFamily): "new", "other": "live", "more": "M1"} {
		if err := Fit(context.Background(), s, family, []*checkpoint.Checkpoint{newTiny(1, 3).open(t, name)}, o); err == nil {
			t.Errorf("family %q, checkpoint %q: taken", family, name)
		}
	}
}
