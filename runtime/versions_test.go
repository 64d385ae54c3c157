package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// versionedEngine has m1 in three versions: the files of m1, m2 and m3.
func versionedEngine(t *testing.T, o Options) (eng *Engine, digests []string) {
	t.Helper()
	eng = tinyEngine(t, o)
	for _, from := range []string{"m1", "m2", "m3"} {
		info, replaced, err := eng.PutVariant(context.Background(), "m1", fileOf(t, eng, from))
		if err != nil || !replaced {
			t.Fatal(replaced, err)
		}
		digests = append(digests, info.Digest)
	}
	return eng, digests
}

func TestReferences(t *testing.T) {
	eng, d := versionedEngine(t, Options{})
	if _, _, err := eng.PutAlias(context.Background(), "live", []Target{{Model: "m1", Version: 2}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := eng.PutAlias(context.Background(), "follow", []Target{{Model: "m1"}}); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"m1": d[2], "m1:1": d[0], "m1:2": d[1], "m1:3": d[2], "m1@" + d[0]: d[0], "m1@" + d[1][:8]: d[1], "live": d[1], "follow": d[2],
	} {
		a, _ := classify(t, eng, ref, picture(1, 8, 8))
		v, err := eng.Variant(ref)
		if err != nil || a.Digest != want || v.Digest != want || a.Variant != "m1" || a.Version != slices.Index(d, want)+1 || !slices.Equal(v.Versions, []int{1, 2, 3}) {
			t.Errorf("%s: %s@%s version %d of %v, %v", ref, a.Variant, a.Digest, a.Version, v.Versions, err)
		}
	}
	for ref, want := range map[string]struct {
		code Code
		text string
	}{
		"m1:4":                    {NotFound, "no version 4, only [1 2 3]"},
		"m1:0":                    {Invalid, "not a version number"},
		"m1:-1":                   {Invalid, "not a version number"},
		"m1:":                     {Invalid, "not a version number"},
		"m1:99999999999999999999": {Invalid, "not a version number"},
		"nobody:1":                {NotFound, `no model "nobody"`},
		"m1@" + d[0][:7]:          {Invalid, "at least its first 8"},
		"m1@" + d[0] + "0":        {Invalid, "not a digest"},
		"m1@ABCDEF01":             {Invalid, "not a digest"},
		"m1@../../x":              {Invalid, "not a digest"},
		"m1@00000000":             {NotFound, "no version with digest"},
		"nobody@00000000":         {NotFound, `no model "nobody"`},
		"live:1":                  {NotFound, `no model "live"`},
		"a/b":                     {Invalid, "bad name"},
		"":                        {Invalid, "empty"},
		":":                       {Invalid, "number"},
		"@":                       {Invalid, "empty"},
	} {
		if _, err := eng.Variant(ref); codeOf(err) != want.code || !strings.Contains(fmt.Sprint(err), want.text) {
			t.Errorf("%q: %v, want %q", ref, err, want.text)
		}
	}
}

func TestDeleteOneVersion(t *testing.T) {
	eng, d := versionedEngine(t, Options{})
	ctx := context.Background()
	if _, _, err := eng.PutAlias(ctx, "live", []Target{{Model: "m1", Version: 1}}); err != nil {
		t.Fatal(err)
	}
	for ref, code := range map[string]Code{"m1:1": Conflict, "m1": Conflict, "live": Conflict, "m1:7": NotFound} {
		if err := eng.DeleteVariant(ctx, ref); codeOf(err) != code {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := eng.DeleteVariant(ctx, "m1:3"); err != nil {
		t.Fatal(err)
	}
	if a, _ := classify(t, eng, "m1", picture(1, 8, 8)); a.Digest != d[1] {
		t.Errorf("%s answers after the current version was removed", a.Digest)
	}
	if err := eng.DeleteVariant(ctx, "m1@"+d[1]); err != nil {
		t.Fatal(err)
	}
	again := serve(t, reopen(t, eng.store.Dir()), Options{})
	for _, eng := range []*Engine{eng, again} {
		versions, err := eng.Versions("live")
		if err != nil || len(versions) != 1 || versions[0].Digest != d[0] || versions[0].Version != 1 {
			t.Errorf("%+v, %v", versions, err)
		}
	}
	if err := eng.DeleteAlias(ctx, "live"); err != nil {
		t.Fatal(err)
	}
	if err := eng.DeleteVariant(ctx, "m1:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Variant("m1"); codeOf(err) != NotFound {
		t.Error(err)
	}
	if list, _ := eng.Variants("", 0); len(list) != tinyMembers-1 {
		t.Errorf("%d are listed", len(list))
	}
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

// The same file again is the same version, with all that was counted of it.
func TestSameFileAgainGoesOnCounting(t *testing.T) {
	eng := tinyEngine(t, Options{})
	classify(t, eng, "m1", picture(1, 8, 8))
	before, err := eng.Variant("m1")
	must(err)
	info, replaced, err := eng.PutVariant(context.Background(), "m1", fileOf(t, eng, "m1"))
	if err != nil || !replaced || info.Version != 1 || info.Requests != 1 || info.Answers != before.Answers {
		t.Errorf("%+v, %t, %v", info, replaced, err)
	}
}

func TestWeightsOfAnAlias(t *testing.T) {
	targets := []Target{{Model: "a", Weight: 90}, {Model: "b"}, {Model: "c", Weight: 10}}
	n := map[string]int{}
	for range 10000 {
		n[weighted(targets).Model]++
	}
	if n["a"] < 8800 || n["a"] > 9200 || n["b"] > 0 || heaviest(targets).Model != "a" {
		t.Errorf("asked %v", n)
	}
}

// TestNamesUnderLoad changes what names and aliases stand for, in every way, while
// they are asked: every answer is that of exactly the digest that it names, and
// what an alias stands for always answers.
func TestNamesUnderLoad(t *testing.T) {
	for _, factored := range []bool{false, true} {
		t.Run(fmt.Sprintf("factored=%t", factored), func(t *testing.T) {
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4, Factored: factored})
			image, ctx := picture(1, 8, 8), context.Background()
			want, files := answersOf(t, eng, image)
			alias := func(targets ...Target) {
				if _, _, err := eng.PutAlias(ctx, "live", targets); err != nil {
					t.Error(err)
				}
			}
			alias(Target{Model: "m2"})
			var done atomic.Bool
			var asked sync.WaitGroup
			var answered atomic.Int64
			seen := sync.Map{} // digests that the alias answered with
			for _, ref := range []string{"m1", "m1", "live", "live", "m3"} {
				asked.Go(func() {
					for !done.Load() {
						a, err := eng.Classify(ctx, ref, image, ClassifyOptions{Function: "none"})
						switch {
						case ref == "m3" && codeOf(err) == NotFound:
						case err != nil:
							t.Errorf("%s: %v", ref, err)
							return
						case !alike(byLabel(a), want[a.Digest]):
							t.Errorf("%s is answered by %s:%d as %v, not %v", ref, a.Variant, a.Version, byLabel(a), want[a.Digest])
						default:
							answered.Add(1)
						}
						if ref == "live" {
							seen.Store(a.Digest, true)
						}
					}
				})
			}
			rounds := 40
			if testing.Short() {
				rounds = 12
			}
			r := rand.New(rand.NewPCG(1, 1))
			for range rounds {
				changeNames(t, eng, r, files, alias)
				before := answered.Load()
				eventually(t, "answers", func() bool { return answered.Load() > before+2 })
			}
			done.Store(true)
			asked.Wait()
			distinct := 0
			seen.Range(func(any, any) bool { distinct++; return true })
			if distinct < 2 {
				t.Errorf("the alias was answered by %d files only", distinct)
			}
		})
	}
}

// changeNames puts a version of m1, moves the alias to it, partly or wholly,
// removes the version before, and removes m3 and puts it again.
func changeNames(t *testing.T, eng *Engine, r *rand.Rand, files [][]byte, alias func(...Target)) {
	ctx := context.Background()
	put := func(name string) VariantInfo {
		info, _, err := eng.PutVariant(ctx, name, files[r.IntN(len(files))])
		if err != nil {
			t.Error(err)
		}
		return info
	}
	now := put("m1")
	alias(Target{Model: "m1", Version: now.Version, Weight: 1}, Target{Model: "m2", Weight: 3})
	alias(Target{Model: "m1", Version: now.Version})
	if a, err := eng.Classify(ctx, "live", picture(1, 8, 8), ClassifyOptions{}); err != nil || a.Digest != now.Digest {
		t.Errorf("after the alias was moved to %s, %s answers, %v", now.Digest, a.Digest, err)
	}
	versions, err := eng.Versions("m1")
	if err != nil {
		t.Error(err)
	}
	if old := versions[0].Version; old != now.Version {
		if err := eng.DeleteVariant(ctx, fmt.Sprintf("m1:%d", old)); err != nil {
			t.Error(err)
		}
	}
	if err := eng.DeleteVariant(ctx, "m3"); err != nil {
		t.Error(err)
	}
	put("m3")
}

// alike compares answers of rebuilt weights and of factored ones.
func alike(a, b map[string]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for label, x := range a {
		if y, ok := b[label]; !ok || x-y > 1e-4 || y-x > 1e-4 {
			return false
		}
	}
	return true
}
