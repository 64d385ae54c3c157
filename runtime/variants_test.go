package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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

func TestVariantTellsWhereItsWeightsAre(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: tinySlab})
	is := func(name, want string) {
		t.Helper()
		d, _ := eng.Variants("", 0)
		if i := slices.IndexFunc(d, func(v VariantInfo) bool { return v.Name == name }); d[i].Resident != want {
			t.Errorf("%s is said to be at %q, not %q", name, d[i].Resident, want)
		}
	}
	is("m1", "disk")
	classify(t, eng, "m1", picture(1, 8, 8))
	is("m1", "slab")
	classify(t, eng, "m2", picture(1, 8, 8)) // takes the only slab
	is("m1", "coefficients")
	is("m2", "slab")
	is("m3", "disk")
	if err := eng.Preload(context.Background()); err != nil {
		t.Fatal(err)
	}
	is("m3", "coefficients")
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

func TestPinsSurviveEviction(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{WeightCache: 2 * tinySlab})
	pinned := func() int { return eng.cache.Stats().Weights.Leased }
	if err := eng.SetPinned(ctx, "m1", true); err != nil {
		t.Fatal(err)
	}
	if err := eng.SetPinned(ctx, "m1", true); err != nil || pinned() != 1 { // again: no second lease
		t.Fatalf("%v, %d leases", err, pinned())
	}
	for i := range 3 * tinyMembers {
		classify(t, eng, fmt.Sprintf("m%d", i%tinyMembers), picture(1, 8, 8))
	}
	list, _ := eng.Variants("", 0)
	if v := list[1]; !v.Pinned || v.Resident != "slab" || v.Hits != 3 || v.Rebuilds != 0 {
		t.Errorf("%+v", v)
	}
	if err := eng.SetPinned(ctx, "m2", true); codeOf(err) != Conflict {
		t.Errorf("both slabs pinned: %v", err)
	}
	classify(t, eng, "m2", picture(1, 8, 8)) // the other slab is free to use
	if err := eng.SetPinned(ctx, "m1", false); err != nil {
		t.Fatal(err)
	}
	quiet(t, eng.cache) // no lease is left, once that of m2's batch has ended
	for _, name := range []string{"m3", "m4"} {
		classify(t, eng, name, picture(1, 8, 8))
	}
	if list, _ := eng.Variants("", 0); list[1].Resident == "slab" || list[1].Pinned {
		t.Errorf("unpinned, it was not evicted: %+v", list[1])
	}
	quiet(t, eng.cache)
}

func TestPinsEndWithTheirVariant(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{})
	same, other := fileOf(t, eng, "m1"), fileOf(t, eng, "m2")
	for _, c := range []struct {
		what   string
		change func() error
		pinned bool
	}{
		{"put again", func() error { _, _, err := eng.PutVariant(ctx, "m1", same); return err }, true},
		{"replaced", func() error { _, _, err := eng.PutVariant(ctx, "m1", other); return err }, false},
		{"deleted", func() error { return eng.DeleteVariant(ctx, "m1") }, false},
	} {
		if err := eng.SetPinned(ctx, "m1", true); err != nil {
			t.Fatal(err)
		}
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if got := eng.cache.Stats().Weights.Leased == 1; got != c.pinned {
			t.Errorf("%s: pinned %t, want %t", c.what, got, c.pinned)
		}
	}
	quiet(t, eng.cache)
}

func TestFamilies(t *testing.T) {
	eng := tinyEngine(t, Options{})
	list := eng.Families()
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	plan := tinyModel().Plan()
	parameters := 0
	for _, s := range plan.Specs() {
		n := 1
		for _, d := range s.Shape {
			n *= d
		}
		if n > 0 { // not the head's
			parameters += n
		}
	}
	if f := list[0]; f.Name != tinyFamily || f.Variants != tinyMembers || f.Fitted != tinyMembers || f.Parameters != int64(parameters) ||
		f.DenseBytes != 4*f.Parameters || f.SlabBytes != 4*int64(plan.SlabLen()) || f.Input != (Input{3, 8, 8}) || f.RMS <= 0 || f.Resident <= 0 {
		t.Errorf("%+v", f)
	}
	d, err := eng.Family(tinyFamily)
	if err != nil || len(d.Layers) != len(plan.Layers) || d.FamilyInfo != list[0] {
		t.Errorf("%+v, %v", d, err)
	}
	for _, l := range d.Layers {
		if l.Left < 1 || l.Left > l.Outputs || l.Right < 1 || l.Right > l.Inputs+1 || l.Energy90 < 1 || l.Energy90 > l.Left {
			t.Errorf("%+v", l)
		}
	}
	for name, code := range map[string]Code{"other": NotFound, "../tiny": Invalid, "": Invalid} {
		if _, err := eng.Family(name); codeOf(err) != code {
			t.Errorf("family %q: %v", name, err)
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	ctx := context.Background()
	image := picture(1, 8, 8)
	damage := func(t *testing.T, path string, at int) {
		raw := mustRead(path)
		raw[(len(raw)+at)%len(raw)] ^= 1
		must(os.WriteFile(path, raw, 0o644))
	}
	for _, at := range []int{0, 9, 500, -1} {
		t.Run(fmt.Sprintf("a variant's byte %d", at), func(t *testing.T) {
			eng := tinyEngine(t, Options{})
			damage(t, blobPath(eng.store, eng.store.Variants()[1].Digest), at)
			if err := eng.Preload(ctx); codeOf(err) != Damaged || !strings.Contains(err.Error(), `"m1"`) {
				t.Errorf("preload: %v", err)
			}
			for range 2 {
				if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged || strings.Contains(err.Error(), eng.store.Dir()) {
					t.Errorf("classify: %v", err)
				}
			}
			if _, err := eng.Variant("m1"); codeOf(err) != Damaged {
				t.Errorf("show: %v", err)
			}
			for _, name := range []string{"m0", "m2", "m3", "m4", "m5"} {
				classify(t, eng, name, image)
			}
			quiet(t, eng.cache)
		})
		t.Run(fmt.Sprintf("the basis's byte %d", at), func(t *testing.T) {
			eng := tinyEngine(t, Options{})
			path := blobPath(eng.store, eng.store.Variants()[1].Basis)
			whole := mustRead(path)
			damage(t, path, at)
			if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged {
				t.Errorf("classify: %v", err)
			}
			if _, err := eng.Family(tinyFamily); codeOf(err) != Damaged {
				t.Errorf("family: %v", err)
			}
			if _, _, err := eng.AddCheckpoint(ctx, tinyFamily, "new", upload(newTiny(9, 3))); codeOf(err) != Damaged {
				t.Errorf("add: %v", err)
			}
			if list := eng.Families(); len(list) != 1 || list[0].Name != tinyFamily {
				t.Errorf("%+v", list)
			}
			must(os.WriteFile(path, whole, 0o644)) // restored
			classify(t, eng, "m1", image)
		})
	}
	t.Run("a variant's file is gone", func(t *testing.T) {
		eng := tinyEngine(t, Options{})
		must(os.Remove(blobPath(eng.store, eng.store.Variants()[1].Digest)))
		if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged {
			t.Errorf("classify: %v", err)
		}
		classify(t, eng, "m2", image)
	})
}

func TestPreloadEndsWithItsContext(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	if err := eng.Preload(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

// names are those of a list.
func names(list []VariantInfo) (out []string) {
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}
