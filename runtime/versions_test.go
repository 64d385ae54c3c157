package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
