package runtime

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/models"
	"eigenserve/runtime/cache"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
)

func TestVariantsInPages(t *testing.T) {
	eng := tinyEngine(t, Options{})
	for _, test := range []struct {
		after string
		limit int
		want  string
		next  string
	}{
		{"", 0, "m0 m1 m2 m3 m4 m5", ""},
		{"", 2, "m0 m1", "m1"},
		{"m1", 2, "m2 m3", "m3"},
		{"m3", 2, "m4 m5", ""},
		{"m3", 3, "m4 m5", ""},
		{"m2x", 1, "m3", "m3"}, // deleted after it was listed
		{"m5", 2, "", ""},
		{"z", 0, "", ""},
		{"", -1, "m0 m1 m2 m3 m4 m5", ""},
	} {
		list, next := eng.Variants(test.after, test.limit)
		if got := strings.Join(namesOf(list), " "); got != test.want || next != test.next {
			t.Errorf("Variants(%q, %d) returned %q and %q, want %q and %q", test.after, test.limit, got, next, test.want, test.next)
		}
	}
}

func TestDeleteVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx := context.Background()
	classify(t, eng, "m1", picture(1, 8, 8))
	digest := eng.store.Variants()[1].Digest
	must(eng.DeleteVariant(ctx, "m1"))
	for name, call := range map[string]func() error{
		"classify": func() error {
			_, err := eng.Classify(ctx, "m1", picture(1, 8, 8), ClassifyOptions{})
			return err
		},
		"show":         func() error { _, err := eng.Variant("m1"); return err },
		"delete again": func() error { return eng.DeleteVariant(ctx, "m1") },
		"pin":          func() error { return eng.SetPinned(ctx, "m1", true) },
		"unpin":        func() error { return eng.SetPinned(ctx, "m1", false) },
		"export":       func() error { return eng.Export("m1", t.TempDir()) },
	} {
		if err := call(); codeOf(err) != NotFound {
			t.Errorf("%s: %v, want code NotFound", name, err)
		}
	}
	if eng.cache.Contains(cache.Weights, digest) {
		t.Error("the weights of the deleted variant are still in the cache")
	}
	if _, err := os.Stat(blobPath(eng.store, digest)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of the deleted variant: %v, want that it does not exist", err)
	}
	if list, _ := eng.Variants("", 0); len(list) != testfamily.Size-1 {
		t.Errorf("%d variants are listed, want %d", len(list), testfamily.Size-1)
	}
	if s := testfamily.Reopen(t, eng.store.Dir()); len(s.Variants()) != testfamily.Size-1 {
		t.Errorf("%d variants are stored, want %d", len(s.Variants()), testfamily.Size-1)
	}
}

// Deleting one of two names of a file keeps the weights of the other.
func TestDeleteOneOfTwoNames(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx := context.Background()
	putFile(t, eng, "twin", fileOf(t, eng, "m1"))
	must(eng.SetPinned(ctx, "twin", true))
	classify(t, eng, "m1", picture(1, 8, 8))
	must(eng.DeleteVariant(ctx, "m1"))
	classify(t, eng, "twin", picture(1, 8, 8))
	if n := eng.Counters(); n.Rebuilds != 1 {
		t.Errorf("%d rebuilds, want 1", n.Rebuilds)
	}
}

// An exported checkpoint is complete, in float32, and answers as the variant.
func TestExport(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 20, 9)
	for _, name := range []string{"m0", "m1", "m2"} {
		dir := filepath.Join(t.TempDir(), name)
		must(eng.Export(name, dir))
		c := testfamily.OpenFolder(t, dir)
		m, err := models.Open(c.Config, c.Preprocessor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := family.OpenSource(c, m.Plan()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, tensor := range c.Names() {
			if x, _ := c.Tensor(tensor); x.DType != "F32" {
				t.Errorf("%s of %s is in %s, want F32", tensor, name, x.DType)
			}
		}
		want := testfamily.DenseLogits(t, m, testfamily.Values(c), len(m.Labels()), image)
		_, got := classify(t, eng, name, image)
		for i, label := range m.Labels() {
			if _, ok := got[label]; !ok || !(math.Abs(got[label]-float64(want[i])) <= 1e-4) {
				t.Errorf("%q of %s scores %g, and %g after the export", label, name, got[label], want[i])
			}
		}
	}
	if err := eng.Export("nobody", filepath.Join(t.TempDir(), "new")); codeOf(err) != NotFound {
		t.Errorf("export an unknown model: %v, want code NotFound", err)
	}
}
