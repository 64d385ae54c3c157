package runtime

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

func TestVariantsComeInPages(t *testing.T) {
	eng := tinyEngine(t, Options{})
	for _, c := range []struct {
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
		{"m2x", 1, "m3", "m3"}, // deleted since it was listed
		{"m5", 2, "", ""},
		{"z", 0, "", ""},
		{"", -1, "m0 m1 m2 m3 m4 m5", ""},
	} {
		list, next := eng.Variants(c.after, c.limit)
		if got := strings.Join(names(list), " "); got != c.want || next != c.next {
			t.Errorf("%d after %q: %q then %q, want %q then %q", c.limit, c.after, got, next, c.want, c.next)
		}
	}
}

func TestDelete(t *testing.T) {
	eng := tinyEngine(t, Options{})
	classify(t, eng, "m1", picture(1, 8, 8))
	digest := eng.store.Variants()[1].Digest
	if err := eng.DeleteVariant(context.Background(), "m1"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"classify": func() error {
			_, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{})
			return err
		}(),
		"show":         func() error { _, err := eng.Variant("m1"); return err }(),
		"delete again": eng.DeleteVariant(context.Background(), "m1"),
		"pin":          eng.SetPinned(context.Background(), "m1", true),
		"unpin":        eng.SetPinned(context.Background(), "m1", false),
		"export":       eng.Export("m1", t.TempDir()),
	} {
		if codeOf(err) != NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if eng.cache.Contains(cache.Weights, digest) {
		t.Error("its weights are still in the cache")
	}
	if _, err := os.Stat(blobPath(eng.store, digest)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
	if list, _ := eng.Variants("", 0); len(list) != tinyMembers-1 {
		t.Errorf("%d are listed", len(list))
	}
	if s := reopen(t, eng.store.Dir()); len(s.Variants()) != tinyMembers-1 {
		t.Errorf("%d are stored", len(s.Variants()))
	}
}

func TestTwoNamesOfOneFile(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx := context.Background()
	if _, _, err := eng.PutVariant(ctx, "twin", fileOf(t, eng, "m1")); err != nil {
		t.Fatal(err)
	}
	if err := eng.SetPinned(ctx, "twin", true); err != nil {
		t.Fatal(err)
	}
	classify(t, eng, "m1", picture(1, 8, 8))
	if err := eng.DeleteVariant(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	classify(t, eng, "twin", picture(1, 8, 8))
	if n := eng.Counters(); n.Rebuilds != 1 {
		t.Errorf("%d rebuilds: deleting one name threw the other's weights away", n.Rebuilds)
	}
}

func TestPreloadEndsWithItsContext(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	if err := eng.Preload(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
}
