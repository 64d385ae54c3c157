package learn_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

func TestMain(m *testing.M) { teststore.Main(m) }

// serve opens an engine on a store.
func serve(t *testing.T, s *store.Store) *runtime.Engine {
	t.Helper()
	eng, err := runtime.Open(s, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return eng
}

// classify asks a model about a picture.
func classify(t *testing.T, eng *runtime.Engine, name string) runtime.Answer {
	t.Helper()
	a, err := eng.Classify(t.Context(), name, testfamily.Picture(1, 8, 8), runtime.ClassifyOptions{})
	if err != nil {
		t.Fatalf("classify by %s: %v", name, err)
	}
	return a
}

func TestFit(t *testing.T) {
	s := testfamily.EmptyStore(t)
	var checkpoints []*checkpoint.Checkpoint
	for i := range 3 {
		name, c := testfamily.Member(i)
		checkpoints = append(checkpoints, c.Open(t, name))
	}
	var stages, variants []string
	err := learn.Fit(context.Background(), s, "family", checkpoints, learn.Options{Rank: 7, Gate: gate.Options{Step: 2.8},
		Progress: func(stage string, done, total int) {
			if done == total {
				stages = append(stages, stage)
			}
		},
		OnVariant: func(v store.Entry) { variants = append(variants, v.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(stages, []string{"check", "measure", "fit", "store"}) || !slices.Equal(slices.Sorted(slices.Values(variants)), []string{"m0", "m1", "m2"}) {
		t.Errorf("%v, %v", stages, variants)
	}
	eng := serve(t, s)
	f, err := eng.Family("family")
	if err != nil || f.Rank != 7 || f.Fitted != 3 || f.Variants != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, name := range variants {
		d, err := eng.Variant(name)
		if err != nil || d.Step != 2.8 || !d.Provenance.Fitted {
			t.Errorf("%+v, %v", d, err)
		}
		classify(t, eng, name)
	}
}

func TestFitRefuses(t *testing.T) {
	a, b := testfamily.New(1, 3).Open(t, "a"), testfamily.New(2, 3).Open(t, "b")
	other := testfamily.New(3, 3)
	other.Config["num_attention_heads"] = 4
	broken := testfamily.New(4, 3)
	delete(broken.Tensors, "vit.layernorm.bias")
	for what, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		options     learn.Options
		says        string
	}{
		"no checkpoints":       {"family", nil, learn.Options{}, ""},
		"one name twice":       {"family", []*checkpoint.Checkpoint{a, b, testfamily.New(5, 3).Open(t, "a")}, learn.Options{}, `two checkpoints are called "a"`},
		"names but for case":   {"family", []*checkpoint.Checkpoint{a, b, testfamily.New(5, 3).Open(t, "A")}, learn.Options{}, `"a" and "A"`},
		"a folder's bad name":  {"family", []*checkpoint.Checkpoint{a, testfamily.New(5, 3).Open(t, "b c")}, learn.Options{}, "NAME=FOLDER"},
		"a family's bad name":  {"a/b", []*checkpoint.Checkpoint{a, b}, learn.Options{}, "a/b"},
		"two architectures":    {"family", []*checkpoint.Checkpoint{a, other.Open(t, "other")}, learn.Options{}, "different architectures"},
		"a checkpoint in part": {"family", []*checkpoint.Checkpoint{a, broken.Open(t, "broken")}, learn.Options{}, "vit.layernorm.bias"},
		"a negative rank":      {"family", []*checkpoint.Checkpoint{a, b}, learn.Options{Rank: -1}, ""},
		"means of no type":     {"family", []*checkpoint.Checkpoint{a, b}, learn.Options{MeanType: "F7"}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			s := testfamily.EmptyStore(t)
			c.options.Progress = func(stage string, _, _ int) {
				if stage == "fit" && c.family != "family" {
					t.Error("fitted before the name was looked at")
				}
			}
			err := learn.Fit(context.Background(), s, c.family, c.checkpoints, c.options)
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
	s := testfamily.EmptyStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	checkpoints := []*checkpoint.Checkpoint{testfamily.New(1, 3).Open(t, "a"), testfamily.New(2, 3).Open(t, "b")}
	if err := learn.Fit(ctx, s, "family", checkpoints, learn.Options{}); err == nil || len(s.Families()) != 0 {
		t.Errorf("%v, %v", err, s.Families())
	}
}

// What a store has under the names is looked at before the work.
func TestFitLooksAtNamesFirst(t *testing.T) {
	s := teststore.Fitted(t)
	if _, err := s.PutAlias(store.Alias{Name: "live", Targets: []store.Target{{Model: "m1", Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	o := learn.Options{Progress: func(stage string, _, _ int) { t.Errorf("%s before the names were looked at", stage) }}
	for family, name := range map[string]string{strings.ToUpper(testfamily.Name): "new", "other": "live", "more": "M1"} {
		if err := learn.Fit(context.Background(), s, family, []*checkpoint.Checkpoint{testfamily.New(1, 3).Open(t, name)}, o); err == nil {
			t.Errorf("family %q, checkpoint %q: taken", family, name)
		}
	}
}
