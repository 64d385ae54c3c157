package learn_test

import (
	"context"
	"errors"
	"os"
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
	"eigenserve/store/subspace"
)

func TestFit(t *testing.T) {
	s := testfamily.EmptyStore(t)
	var stages, variants []string
	err := learn.Fit(context.Background(), s, "family", testfamily.FirstMembers(t, 3), learn.Options{Rank: 7, Gate: gate.Options{Step: 2.8},
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
	if want := []string{"check", "measure", "fit", "store"}; !slices.Equal(stages, want) {
		t.Errorf("completed stages %q, want %q", stages, want)
	}
	if want := []string{"m0", "m1", "m2"}; !slices.Equal(slices.Sorted(slices.Values(variants)), want) {
		t.Errorf("OnVariant was called for %q, want %q", variants, want)
	}
	eng := serve(t, s)
	f, err := eng.Family("family")
	if err != nil || f.Rank != 7 || f.Fitted != 3 || f.Variants != 3 {
		t.Errorf("family: %+v, %v", f, err)
	}
	for _, name := range variants {
		d, err := eng.Variant(name)
		if err != nil || d.Step != 2.8 || !d.Provenance.Fitted {
			t.Errorf("variant: %+v, %v", d, err)
		}
		classify(t, eng, name)
	}
}

func TestFitRefuses(t *testing.T) {
	a, b := testfamily.New(1, 3).Open(t, "a"), testfamily.New(2, 3).Open(t, "b")
	open := func(name string) *checkpoint.Checkpoint { return testfamily.New(5, 3).Open(t, name) }
	incomplete := testfamily.New(4, 3)
	delete(incomplete.Tensors, "vit.layernorm.bias")
	for name, c := range map[string]struct {
		family      string
		checkpoints []*checkpoint.Checkpoint
		options     learn.Options
		text        string
	}{
		"no checkpoints":           {"family", nil, learn.Options{}, ""},
		"equal names":              {"family", all(a, b, open("a")), learn.Options{}, `two checkpoints are called "a"`},
		"names equal but for case": {"family", all(a, b, open("A")), learn.Options{}, `"a" and "A"`},
		"bad name of a folder":     {"family", all(a, open("b c")), learn.Options{}, "rename"},
		"bad name of the family":   {"a/b", all(a, b), learn.Options{}, "a/b"},
		"two architectures":        {"family", all(a, otherArchitecture(t)), learn.Options{}, "different architectures"},
		"an incomplete checkpoint": {"family", all(a, incomplete.Open(t, "incomplete")), learn.Options{}, "vit.layernorm.bias"},
		"a negative rank":          {"family", all(a, b), learn.Options{Rank: -1}, ""},
		"an unknown type of means": {"family", all(a, b), learn.Options{MeanType: "F7"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := testfamily.EmptyStore(t)
			c.options.Progress = func(stage string, _, _ int) {
				if stage == "fit" && c.family != "family" {
					t.Error("the fit began before the name was checked")
				}
			}
			err := learn.Fit(context.Background(), s, c.family, c.checkpoints, c.options)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want one with %q", err, c.text)
			}
			blobs, _ := os.ReadDir(filepath.Join(s.Dir(), "blobs"))
			if len(s.Families()) != 0 || len(s.Variants()) != 0 || len(blobs) != 0 {
				t.Errorf("the store has families %v, variants %v, files %v", s.Families(), s.Variants(), blobs)
			}
		})
	}
}

func TestFitCanceled(t *testing.T) {
	s := testfamily.EmptyStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := learn.Fit(ctx, s, "family", testfamily.FirstMembers(t, 2), learn.Options{})
	if !errors.Is(err, context.Canceled) || len(s.Families()) != 0 {
		t.Errorf("error %v, families %v", err, s.Families())
	}
}

// TestFitChecksNamesFirst checks that names which the store has in use are refused before
// any work is done.
func TestFitChecksNamesFirst(t *testing.T) {
	s := teststore.Fitted(t)
	if _, err := s.PutAlias(store.Alias{Name: "live", Targets: []store.Target{{Model: "m1", Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	o := learn.Options{Progress: func(stage string, _, _ int) { t.Errorf("stage %q began before the names were checked", stage) }}
	for _, c := range []struct{ family, checkpoint string }{
		{strings.ToUpper(testfamily.Name), "new"},
		{"other", "live"},
		{"more", "M1"},
	} {
		if err := learn.Fit(context.Background(), s, c.family, all(testfamily.New(1, 3).Open(t, c.checkpoint)), o); err == nil {
			t.Errorf("family %q with checkpoint %q was fitted", c.family, c.checkpoint)
		}
	}
}

// TestFitRank checks that a rank above the dimensions of all layers is an error. The
// largest of the tests' family is that of the patches: 4·4·3 inputs and their bias.
func TestFitRank(t *testing.T) {
	for rank, text := range map[int]string{50: "more than 49 directions", 49: ""} {
		b, err := learn.FitBasis(context.Background(), testfamily.Name, testfamily.Members(t, 0), learn.Options{Rank: rank})
		if text == "" {
			if err != nil || len(b.Layers) == 0 {
				t.Errorf("rank %d: %v", rank, err)
			}
		} else if !errors.Is(err, subspace.ErrOptions) || !strings.Contains(err.Error(), text) {
			t.Errorf("rank %d: error %v, want ErrOptions and %q", rank, err, text)
		}
	}
}
