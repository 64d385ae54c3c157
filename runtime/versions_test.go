package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
)

// versionedEngine serves m1 in three versions: the files of m1, m2 and m3.
func versionedEngine(t *testing.T, o Options) (eng *Engine, digests []string) {
	t.Helper()
	eng = tinyEngine(t, o)
	for _, from := range []string{"m1", "m2", "m3"} {
		info, replaced, err := eng.PutVariant(context.Background(), "m1", fileOf(t, eng, from))
		if err != nil || !replaced {
			t.Fatalf("put the file of %s as m1: replaced %t, %v", from, replaced, err)
		}
		digests = append(digests, info.Digest)
	}
	return eng, digests
}

func TestReferences(t *testing.T) {
	eng, d := versionedEngine(t, Options{})
	putAlias(t, eng, "fixed", Target{Model: "m1", Version: 2})
	putAlias(t, eng, "current", Target{Model: "m1"})
	for ref, want := range map[string]string{
		"m1": d[2], "m1:1": d[0], "m1:2": d[1], "m1:3": d[2], "m1@" + d[0]: d[0], "m1@" + d[1][:8]: d[1], "fixed": d[1], "current": d[2],
	} {
		a, _ := classify(t, eng, ref, picture(1, 8, 8))
		v, err := eng.Variant(ref)
		if err != nil || a.Digest != want || v.Digest != want || a.Variant != "m1" || a.Version != slices.Index(d, want)+1 || !slices.Equal(v.Versions, []int{1, 2, 3}) {
			t.Errorf("%s is answered by version %d, %s@%s, and described as %+v, %v; want digest %s", ref, a.Version, a.Variant, a.Digest, v.VariantInfo, err, want)
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
		"fixed:1":                 {NotFound, `no model "fixed"`},
		"a/b":                     {Invalid, "bad name"},
		"":                        {Invalid, "empty"},
		":":                       {Invalid, "number"},
		"@":                       {Invalid, "empty"},
	} {
		if _, err := eng.Variant(ref); codeOf(err) != want.code || !strings.Contains(fmt.Sprint(err), want.text) {
			t.Errorf("%q: %v, want code %d and %q", ref, err, want.code, want.text)
		}
	}
}

func TestDeleteVersions(t *testing.T) {
	eng, digests := versionedEngine(t, Options{})
	ctx := context.Background()
	putAlias(t, eng, "live", Target{Model: "m1", Version: 1})
	for ref, code := range map[string]Code{"m1:1": Conflict, "m1": Conflict, "live": Conflict, "m1:7": NotFound} {
		if err := eng.DeleteVariant(ctx, ref); codeOf(err) != code {
			t.Errorf("delete %s: %v, want code %d", ref, err, code)
		}
	}
	must(eng.DeleteVariant(ctx, "m1:3"))
	if a, _ := classify(t, eng, "m1", picture(1, 8, 8)); a.Digest != digests[1] {
		t.Errorf("after version 3 was deleted, m1 is answered by %s, want %s", a.Digest, digests[1])
	}
	must(eng.DeleteVariant(ctx, "m1@"+digests[1]))
	for _, eng := range []*Engine{eng, openAgain(t, eng)} {
		versions, err := eng.Versions("live")
		if err != nil || len(versions) != 1 || versions[0].Digest != digests[0] || versions[0].Version != 1 {
			t.Errorf("the versions are %+v, %v; want version 1", versions, err)
		}
	}
	must(eng.DeleteAlias(ctx, "live"))
	must(eng.DeleteVariant(ctx, "m1:1"))
	if _, err := eng.Variant("m1"); codeOf(err) != NotFound {
		t.Errorf("without versions: %v, want code NotFound", err)
	}
	if list, _ := eng.Variants("", 0); len(list) != testfamily.Size-1 {
		t.Errorf("%d variants are listed, want %d", len(list), testfamily.Size-1)
	}
}

// A file that is put again is the same version and keeps its counters.
func TestPutSameFileKeepsCounters(t *testing.T) {
	eng := tinyEngine(t, Options{})
	classify(t, eng, "m1", picture(1, 8, 8))
	before, err := eng.Variant("m1")
	must(err)
	info, replaced, err := eng.PutVariant(context.Background(), "m1", fileOf(t, eng, "m1"))
	if err != nil || !replaced || info.Version != 1 || info.Requests != 1 || info.Answers != before.Answers {
		t.Errorf("%+v, replaced %t, %v; want version 1 with the counters of %+v", info, replaced, err, before.VariantInfo)
	}
}
