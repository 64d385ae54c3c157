package runtime

import (
	"context"
	"strings"
	"testing"

	"eigenserve/runtime/cache"
)

func TestStatsCountWhatWasAsked(t *testing.T) {
	eng, _ := versionedEngine(t, Options{})
	ctx := context.Background()
	image := picture(1, 8, 8)
	classify(t, eng, "m1", image)
	if _, err := eng.Infer(ctx, "m1", Inputs{Images: [][]byte{image, image, image}}); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Infer(ctx, "m1", Inputs{}); err == nil {
		t.Fatal("nothing is answered")
	}
	classify(t, eng, "m1:1", image)
	is := func(ref string, version int, rows, calls, failed int64) {
		t.Helper()
		list, err := eng.Stats(ref)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		s := list[0]
		if s.Name != "m1" && s.Name != "m2" || s.Version != version || s.Rows != rows || s.Success.Count != calls || s.Fail.Count != failed || s.Compute.Count != calls {
			t.Errorf("%s: %+v", ref, s)
		}
		if asked := calls > 0; asked == s.Last.IsZero() || asked != (s.Success.Took > 0) || asked != (s.Memory > 0) {
			t.Errorf("%s: %+v", ref, s)
		}
		var runs, inBatches int64 // nobody else's inputs were there to be mixed with
		for _, b := range s.Batches {
			runs += b.Compute.Count
			inBatches += b.Compute.Count * int64(b.Size)
			if b.Compute.Took <= 0 || b.Preprocess.Took <= 0 {
				t.Errorf("%s: %+v", ref, b)
			}
		}
		if inBatches != rows || runs != s.Runs || runs < calls {
			t.Errorf("%s: %d rows in %d batches, want %d and %d: %+v", ref, inBatches, runs, rows, s.Runs, s.Batches)
		}
	}
	is("m1", 3, 4, 2, 1)
	is("m1:1", 1, 1, 1, 0)
	is("m2", 1, 0, 0, 0)
	if all, err := eng.Stats(""); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := eng.Stats("nobody"); codeOf(err) != NotFound {
		t.Error(err)
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
