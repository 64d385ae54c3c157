package runtime

import (
	"context"
	"eigenserve/runtime/cache"
	"fmt"
	"slices"
	"strings"
	"testing"
)

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

// TestPinsFollowTheWeights pins one version and puts others.
func TestPinsFollowTheWeights(t *testing.T) {
	eng, _ := versionedEngine(t, Options{})
	ctx := context.Background()
	pinned := func(ref string) bool {
		h, err := eng.find(ref)
		must(err)
		return h.pinned.Load() != nil
	}
	must(eng.SetPinned(ctx, "m1:2", true))
	must(eng.SetPinned(ctx, "m1", true))
	if _, _, err := eng.PutVariant(ctx, "m1", fileOf(t, eng, "m3")); err != nil { // the current one again
		t.Fatal(err)
	}
	if !pinned("m1") || !pinned("m1:2") {
		t.Error("the same file again takes a pin away")
	}
	if _, _, err := eng.PutVariant(ctx, "m1", fileOf(t, eng, "m2")); err != nil { // as version 4; 1 goes
		t.Fatal(err)
	}
	if pinned("m1") || pinned("m1:3") || !pinned("m1:2") {
		t.Error("a pin went to another version")
	}
	must(eng.SetPinned(ctx, "m1:2", false))
	quiet(t, eng.cache)
}

// A pin moves to an older version that is current again if its file is the same. The
// version that was removed leaves nothing in the cache.
func TestPinMovesToVersionWithSameFile(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: 2 * tinySlab})
	ctx := context.Background()
	first, second := fileOf(t, eng, "m1"), fileOf(t, eng, "m2")
	for _, file := range [][]byte{second, first} {
		_, _, err := eng.PutVariant(ctx, "m1", file)
		must(err)
	}
	must(eng.SetPinned(ctx, "m1:3", true))
	removed, l, err := eng.open("m1:3")
	must(err)
	must(eng.DeleteVariant(ctx, "m1:2"))
	must(eng.DeleteVariant(ctx, "m1:3"))
	h, err := eng.find("m1")
	must(err)
	if h.entry.Version != 1 || h.pinned.Load() == nil || h.loaded.Load() == nil {
		t.Errorf("version %d is current, pinned: %t, in memory: %t; want version 1, pinned and in memory",
			h.entry.Version, h.pinned.Load() != nil, h.loaded.Load() != nil)
	}
	if err := eng.SetPinned(ctx, "m2", true); codeOf(err) != Conflict {
		t.Errorf("pinning both slabs: %v, want code Conflict", err)
	}
	must(eng.DeleteVariant(ctx, "m1"))
	lease, err := eng.lease(ctx, removed, l) // a request that found version 3 before
	must(err)
	lease.Release()
	if eng.cache.Contains(cache.Weights, l.variant.Digest) {
		t.Error("the weights of a removed version stay in the cache")
	}
	quiet(t, eng.cache)
}

// A pin whose model is replaced or unloaded while its weights are rebuilt is none.
func TestPinOfWhatWasReplacedMeanwhile(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		what   string
		change func(eng *Engine) error
		want   Code
	}{
		{"replaced", func(eng *Engine) error { _, _, err := eng.PutVariant(ctx, "m1", fileOf(t, eng, "m2")); return err }, Conflict},
		{"unloaded", func(eng *Engine) error { return eng.Unload("m1") }, Unloaded},
		{"deleted", func(eng *Engine) error { return eng.DeleteVariant(ctx, "m1") }, NotFound},
	} {
		eng := tinyEngine(t, Options{})
		h, l, err := eng.open("m1")
		must(err)
		lease, err := eng.lease(ctx, h, l)
		must(err)
		must(c.change(eng))
		if held, err := eng.keepPin("m1", h, l, lease); held || codeOf(err) != c.want {
			t.Errorf("%s: held %t, %v", c.what, held, err)
		}
		lease.Release()
		quiet(t, eng.cache)
	}
}

func TestUnload(t *testing.T) {
	eng, d := versionedEngine(t, Options{})
	ctx := context.Background()
	image := picture(1, 8, 8)
	must(eng.SetPinned(ctx, "m1", true))
	if _, _, err := eng.PutAlias(ctx, "live", []Target{{Model: "m1"}}); err != nil {
		t.Fatal(err)
	}
	must(eng.Unload("m1"))
	for _, ref := range []string{"m1", "m1:1", "m1@" + d[0], "live"} {
		_, err := eng.Classify(ctx, ref, image, ClassifyOptions{})
		if codeOf(err) != Unloaded || !strings.Contains(err.Error(), "/v2/repository/models/m1/load") || codeOf(eng.Ready(ref)) != Unloaded {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := eng.SetPinned(ctx, "m1", true); codeOf(err) != Unloaded {
		t.Error(err)
	}
	if v, err := eng.Variant("m1"); err != nil || !v.Unloaded || v.Pinned {
		t.Errorf("%+v, %v", v.VariantInfo, err)
	}
	must(eng.Ready("m2"))
	a, _ := classify(t, eng, "m5", image)
	must(eng.Unload("m5"))
	if eng.cache.Contains(cache.Weights, a.Digest) {
		t.Error("the weights of what was unloaded are still there")
	}
	must(eng.Load("m1"))
	must(eng.Ready("live"))
	classify(t, eng, "m1", image)
	must(eng.Unload("m1"))
	if _, _, err := eng.PutVariant(ctx, "m1", fileOf(t, eng, "m4")); err != nil {
		t.Fatal(err)
	}
	classify(t, eng, "m1", image) // a new version is loaded
	for what, err := range map[string]error{"load": eng.Load("nobody"), "unload": eng.Unload("nobody"), "ready": eng.Ready("nobody")} {
		if codeOf(err) != NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	quiet(t, eng.cache)
}

// Two versions of one file are let go of as one is.
func TestUnloadOfTwoVersionsOfOneFile(t *testing.T) {
	eng := tinyEngine(t, Options{})
	first := fileOf(t, eng, "m1")
	for _, file := range [][]byte{fileOf(t, eng, "m5"), first} {
		_, _, err := eng.PutVariant(context.Background(), "m1", file)
		must(err)
	}
	a, _ := classify(t, eng, "m1", picture(1, 8, 8))
	must(eng.Unload("m1"))
	if eng.cache.Contains(cache.Weights, a.Digest) {
		t.Error("the weights of what was unloaded are still there")
	}
}
