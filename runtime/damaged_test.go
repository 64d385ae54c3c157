package runtime

import (
	"context"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// Beside a damaged pointer everything else is served; what was served of it before
// goes on, and who asks is told what to do.
func TestDamagedPointer(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image, ctx := picture(1, 8, 8), context.Background()
	_, _, err := eng.PutAlias(ctx, "live", []Target{{Model: "m2"}})
	must(err)
	was, _ := classify(t, eng, "m1", image)
	for _, file := range []string{"models/m1.json", "aliases/live.json", "families/" + tinyFamily + ".json"} {
		must(os.WriteFile(filepath.Join(eng.store.Dir(), file), []byte(`{"na`), 0o644))
	}
	done, err := eng.Reload(ctx, true)
	if !errors.Is(err, store.ErrDamaged) || done != (Reloaded{}) {
		t.Errorf("%+v, %v", done, err)
	}
	for _, name := range []string{"m1", "live", "m3"} {
		if a, _ := classify(t, eng, name, image); name == "m1" && a.Digest != was.Digest {
			t.Errorf("answered by %.12s, want %.12s", a.Digest, was.Digest)
		}
	}

	again := serve(t, reopen(t, eng.store.Dir()), Options{})
	if lines := again.Warnings(); len(lines) != 3 || !strings.Contains(strings.Join(lines, "\n"), "m1.json") {
		t.Errorf("%q", lines)
	}
	classify(t, again, "m3", image)
	for _, name := range []string{"m1", "m1:1", "m1@12345678", "live"} {
		if _, err := again.Classify(ctx, name, image, ClassifyOptions{}); codeOf(err) != Damaged || !strings.Contains(err.Error(), "restore the file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := again.Alias("live"); codeOf(err) != Damaged {
		t.Error(err)
	}
	c := members(t, 1)[0]
	if _, _, err := again.Add(ctx, tinyFamily, "m1", c, gate.Options{Step: 1}); codeOf(err) != Damaged {
		t.Errorf("added to a family that can't be read: %v", err)
	}
	if err := learn.Fit(ctx, again.store, "other", members(t, 1, 2), learn.Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("fitted before the names were looked at: %v", err)
	}
	for _, ref := range []string{"m1:1", "m1", "m3"} { // the alias may point there
		if err := again.DeleteVariant(ctx, ref); codeOf(err) != Damaged {
			t.Errorf("%s is let go of: %v", ref, err)
		}
	}
	if _, _, err := again.PutVariant(ctx, "m1", fileOf(t, again, "m2")); codeOf(err) != Conflict {
		t.Errorf("put in its place: %v", err)
	}
	must(again.DeleteAlias(ctx, "live"))
	must(again.DeleteVariant(ctx, "m1"))
	must(learn.Fit(ctx, again.store, tinyFamily, members(t, 0, 1), learn.Options{Gate: gate.Options{Step: 0.5}}))
	if lines := again.Warnings(); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
	if done, err = eng.Reload(ctx, false); err != nil {
		t.Errorf("%+v, %v", done, err)
	}
	classify(t, eng, "m1", image)
	if _, err := eng.Alias("live"); codeOf(err) != NotFound {
		t.Errorf("an alias that is gone: %v", err)
	}
}

// A pointer that is restored is followed without being told of it.
func TestRestoredPointer(t *testing.T) {
	eng := tinyEngine(t, Options{})
	path := filepath.Join(eng.store.Dir(), "models", "m1.json")
	raw := mustRead(path)
	must(os.WriteFile(path, raw[:20], 0o644))
	again := serve(t, reopen(t, eng.store.Dir()), Options{})
	if _, err := again.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Damaged {
		t.Error(err)
	}
	for range 2 {
		if done, err := again.Reload(context.Background(), false); err != nil || done != (Reloaded{}) {
			t.Errorf("nothing changed: %+v, %v", done, err)
		}
	}
	must(os.WriteFile(path, raw, 0o644))
	if done, err := again.Reload(context.Background(), false); err != nil || done.Added != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	classify(t, again, "m1", picture(1, 8, 8))
}

// spoil changes the last byte of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	raw := mustRead(path)
	raw[len(raw)-1]++
	must(os.WriteFile(path, raw, 0o644))
}

// TestDamagedStreams flips bits all over a stream: either the variant is
// refused, or it is served without harm.
func TestDamagedStreams(t *testing.T) {
	eng := tinyEngine(t, Options{})
	stride := 11
	if testing.Short() {
		stride = 101
	}
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	must(err)
	f, err := eng.families.get(v.Basis)
	must(err)
	refused := 0
	for bit := 0; bit < 8*len(v.Coefficients); bit += stride {
		v.Coefficients[bit/8] ^= 1 << (bit % 8)
		if err := f.Check(v); err != nil {
			if refused++; codeOf(err) != Invalid {
				t.Fatalf("bit %d: %v", bit, err)
			}
		} else if _, err := f.rebuild(v, make([]float32, f.Plan.SlabLen())); err != nil {
			t.Fatalf("bit %d was accepted and fails: %v", bit, err)
		}
		v.Coefficients[bit/8] ^= 1 << (bit % 8)
	}
	if refused == 0 {
		t.Error("every flipped bit was accepted")
	}
}
