package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/internal/testfamily"
)

func TestResident(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: tinySlab})
	check := func(name, want string) {
		t.Helper()
		list, _ := eng.Variants("", 0)
		if i := slices.Index(namesOf(list), name); list[i].Resident != want {
			t.Errorf("%s is in %q, want %q", name, list[i].Resident, want)
		}
	}
	check("m1", "disk")
	classify(t, eng, "m1", picture(1, 8, 8))
	check("m1", "slab")
	classify(t, eng, "m2", picture(1, 8, 8)) // takes the only slab
	check("m1", "coefficients")
	check("m2", "slab")
	check("m3", "disk")
	must(eng.Preload(context.Background()))
	check("m3", "coefficients")
}

func TestPinsSurviveEviction(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{WeightCache: 2 * tinySlab})
	must(eng.SetPinned(ctx, "m1", true))
	must(eng.SetPinned(ctx, "m1", true)) // has no effect
	if n := eng.cache.Stats().Weights.Leased; n != 1 {
		t.Fatalf("pinned twice, m1 has %d leases, want 1", n)
	}
	for i := range 3 * testfamily.Size {
		classify(t, eng, fmt.Sprintf("m%d", i%testfamily.Size), picture(1, 8, 8))
	}
	list, _ := eng.Variants("", 0)
	if v := list[1]; !v.Pinned || v.Resident != "slab" || v.Hits != 3 || v.Rebuilds != 0 {
		t.Errorf("after requests for other variants, m1 is %+v", v)
	}
	if err := eng.SetPinned(ctx, "m2", true); codeOf(err) != Conflict {
		t.Errorf("pinning the last slab: %v, want code Conflict", err)
	}
	classify(t, eng, "m2", picture(1, 8, 8)) // in the last slab
	must(eng.SetPinned(ctx, "m1", false))
	waitIdle(t, eng.cache) // until the batch of m2 has released its lease
	for _, name := range []string{"m3", "m4"} {
		classify(t, eng, name, picture(1, 8, 8))
	}
	if list, _ := eng.Variants("", 0); list[1].Resident == "slab" || list[1].Pinned {
		t.Errorf("after m1 was unpinned and others were requested, it is %+v", list[1])
	}
	waitIdle(t, eng.cache)
}

func TestPinsEndWithTheirVariant(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{})
	same, other := fileOf(t, eng, "m1"), fileOf(t, eng, "m2")
	for _, test := range []struct {
		name   string
		change func() error
		pinned bool
	}{
		{"put again", func() error { _, _, err := eng.PutVariant(ctx, "m1", same); return err }, true},
		{"replaced", func() error { _, _, err := eng.PutVariant(ctx, "m1", other); return err }, false},
		{"deleted", func() error { return eng.DeleteVariant(ctx, "m1") }, false},
	} {
		must(eng.SetPinned(ctx, "m1", true))
		must(test.change())
		if got := eng.cache.Stats().Weights.Leased == 1; got != test.pinned {
			t.Errorf("after m1 was %s: pinned %t, want %t", test.name, got, test.pinned)
		}
	}
	waitIdle(t, eng.cache)
}

// TestPinsStayWithTheirFile pins versions and puts new ones.
func TestPinsStayWithTheirFile(t *testing.T) {
	eng, _ := versionedEngine(t, Options{})
	ctx := context.Background()
	pinned := func(ref string) bool {
		h, err := eng.find(ref)
		must(err)
		return h.pinned.Load() != nil
	}
	must(eng.SetPinned(ctx, "m1:2", true))
	must(eng.SetPinned(ctx, "m1", true))
	putFile(t, eng, "m1", fileOf(t, eng, "m3")) // the file of the current version
	if !pinned("m1") || !pinned("m1:2") {
		t.Error("a pin was lost when the same file was put again")
	}
	putFile(t, eng, "m1", fileOf(t, eng, "m2")) // as version 4; version 1 is removed
	if pinned("m1") || pinned("m1:3") || !pinned("m1:2") {
		t.Error("another version than 2 is pinned after version 3 was replaced")
	}
	must(eng.SetPinned(ctx, "m1:2", false))
	waitIdle(t, eng.cache)
}

// A pin moves to an older version that is current again if its file is the same. The
// version that was removed leaves nothing in the cache.
func TestPinMovesToVersionWithSameFile(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: 2 * tinySlab})
	ctx := context.Background()
	first, second := fileOf(t, eng, "m1"), fileOf(t, eng, "m2")
	putFile(t, eng, "m1", second)
	putFile(t, eng, "m1", first)
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
		t.Errorf("pinning the last slab: %v, want code Conflict", err)
	}
	must(eng.DeleteVariant(ctx, "m1"))
	lease, err := eng.lease(ctx, removed, l) // by a request that had found version 3
	must(err)
	lease.Release()
	if eng.cache.Contains(cache.Weights, l.variant.Digest) {
		t.Error("the weights of a removed version stay in the cache")
	}
	waitIdle(t, eng.cache)
}

// A model that changes while its weights are rebuilt is not pinned.
func TestPinDuringChange(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name   string
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
		must(test.change(eng))
		if kept, err := eng.keepPin("m1", h, l, lease); kept || codeOf(err) != test.want {
			t.Errorf("%s: kept %t, %v; want code %d", test.name, kept, err, test.want)
		}
		lease.Release()
		waitIdle(t, eng.cache)
	}
}

func TestUnload(t *testing.T) {
	eng, digests := versionedEngine(t, Options{})
	ctx := context.Background()
	image := picture(1, 8, 8)
	must(eng.SetPinned(ctx, "m1", true))
	putAlias(t, eng, "live", Target{Model: "m1"})
	must(eng.Unload("m1"))
	for _, ref := range []string{"m1", "m1:1", "m1@" + digests[0], "live"} {
		_, err := eng.Classify(ctx, ref, image, ClassifyOptions{})
		if codeOf(err) != Unloaded || !strings.Contains(err.Error(), "/v2/repository/models/m1/load") {
			t.Errorf("classify by %s: %v, want code Unloaded and how to load", ref, err)
		}
		if err := eng.Ready(ref); codeOf(err) != Unloaded {
			t.Errorf("ready %s: %v, want code Unloaded", ref, err)
		}
	}
	if err := eng.SetPinned(ctx, "m1", true); codeOf(err) != Unloaded {
		t.Errorf("pin: %v, want code Unloaded", err)
	}
	if v, err := eng.Variant("m1"); err != nil || !v.Unloaded || v.Pinned {
		t.Errorf("m1 is %+v, %v; want it unloaded and not pinned", v.VariantInfo, err)
	}
	must(eng.Ready("m2"))
	a, _ := classify(t, eng, "m5", image)
	must(eng.Unload("m5"))
	if eng.cache.Contains(cache.Weights, a.Digest) {
		t.Error("the weights of m5 are in the cache after it was unloaded")
	}
	must(eng.Load("m1"))
	must(eng.Ready("live"))
	classify(t, eng, "m1", image)
	must(eng.Unload("m1"))
	putFile(t, eng, "m1", fileOf(t, eng, "m4")) // a new version is loaded
	classify(t, eng, "m1", image)
	for name, call := range map[string]func(string) error{"load": eng.Load, "unload": eng.Unload, "ready": eng.Ready} {
		if err := call("nobody"); codeOf(err) != NotFound {
			t.Errorf("%s: %v, want code NotFound", name, err)
		}
	}
	waitIdle(t, eng.cache)
}

// Two versions with the same file are unloaded together.
func TestUnloadVersionsWithSameFile(t *testing.T) {
	eng := tinyEngine(t, Options{})
	first, other := fileOf(t, eng, "m1"), fileOf(t, eng, "m5")
	putFile(t, eng, "m1", other)
	putFile(t, eng, "m1", first)
	a, _ := classify(t, eng, "m1", picture(1, 8, 8))
	must(eng.Unload("m1"))
	if eng.cache.Contains(cache.Weights, a.Digest) {
		t.Error("the weights of m1 are in the cache after it was unloaded")
	}
}
