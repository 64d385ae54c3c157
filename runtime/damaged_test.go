package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

// flipBit changes the byte of a file at an offset, which counts from the end if it is
// negative.
func flipBit(path string, at int) {
	raw := mustRead(path)
	raw[(len(raw)+at)%len(raw)] ^= 1
	must(os.WriteFile(path, raw, 0o644))
}

func TestDamagedFiles(t *testing.T) {
	ctx := context.Background()
	image := picture(1, 8, 8)
	for _, at := range []int{0, 9, 500, -1} {
		t.Run(fmt.Sprintf("byte %d of a variant", at), func(t *testing.T) {
			eng := tinyEngine(t, Options{})
			flipBit(blobPath(eng.store, eng.store.Variants()[1].Digest), at)
			if err := eng.Preload(ctx); codeOf(err) != Damaged || !strings.Contains(err.Error(), `"m1"`) {
				t.Errorf("preload: %v, want code Damaged and the name m1", err)
			}
			for range 2 {
				if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged || strings.Contains(err.Error(), eng.store.Dir()) {
					t.Errorf("classify: %v, want code Damaged and no path", err)
				}
			}
			if _, err := eng.Variant("m1"); codeOf(err) != Damaged {
				t.Errorf("show: %v, want code Damaged", err)
			}
			for _, name := range []string{"m0", "m2", "m3", "m4", "m5"} {
				classify(t, eng, name, image)
			}
			waitIdle(t, eng.cache)
		})
		t.Run(fmt.Sprintf("byte %d of the basis", at), func(t *testing.T) {
			eng := tinyEngine(t, Options{})
			path := blobPath(eng.store, eng.store.Variants()[1].Basis)
			whole := mustRead(path)
			flipBit(path, at)
			if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged {
				t.Errorf("classify: %v, want code Damaged", err)
			}
			if _, err := eng.Family(testfamily.Name); codeOf(err) != Damaged {
				t.Errorf("family: %v, want code Damaged", err)
			}
			if _, _, err := eng.AddCheckpoint(ctx, testfamily.Name, "new", upload(testfamily.New(9, 3))); codeOf(err) != Damaged {
				t.Errorf("add: %v, want code Damaged", err)
			}
			if list := eng.Families(); len(list) != 1 || list[0].Name != testfamily.Name {
				t.Errorf("the families are %+v, want %s", list, testfamily.Name)
			}
			must(os.WriteFile(path, whole, 0o644)) // restored
			classify(t, eng, "m1", image)
		})
	}
	t.Run("a variant's file is missing", func(t *testing.T) {
		eng := tinyEngine(t, Options{})
		must(os.Remove(blobPath(eng.store, eng.store.Variants()[1].Digest)))
		if _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); codeOf(err) != Damaged {
			t.Errorf("classify: %v, want code Damaged", err)
		}
		classify(t, eng, "m2", image)
	})
}

// An engine that is running keeps serving what a damaged pointer led to.
func TestPointerDamagedWhileServing(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image, ctx := picture(1, 8, 8), context.Background()
	was, _ := classify(t, eng, "m1", image)
	damagePointers(t, eng)
	done, err := eng.Reload(ctx, true)
	if !errors.Is(err, store.ErrDamaged) || done != (Reloaded{}) {
		t.Errorf("reload: %+v, %v; want no change and ErrDamaged", done, err)
	}
	for _, name := range []string{"m1", "live", "m3"} {
		if a, _ := classify(t, eng, name, image); name == "m1" && a.Digest != was.Digest {
			t.Errorf("m1 is answered by %.12s, want %.12s", a.Digest, was.Digest)
		}
	}
	repaired := openAgain(t, eng)
	repairPointers(t, repaired)
	if done, err = eng.Reload(ctx, false); err != nil {
		t.Errorf("reload after the repair: %+v, %v", done, err)
	}
	classify(t, eng, "m1", image)
	if _, err := eng.Alias("live"); codeOf(err) != NotFound {
		t.Errorf("the alias that was removed: %v, want code NotFound", err)
	}
}

// damagePointers makes the pointers of m1, of its family and of an alias "live" unreadable.
func damagePointers(t *testing.T, eng *Engine) {
	putAlias(t, eng, "live", Target{Model: "m2"})
	for _, file := range []string{"models/m1.json", "aliases/live.json", "families/" + testfamily.Name + ".json"} {
		must(os.WriteFile(filepath.Join(eng.store.Dir(), file), []byte(`{"na`), 0o644))
	}
}

// repairPointers removes the alias and fits m0 and m1 again.
func repairPointers(t *testing.T, eng *Engine) {
	must(eng.DeleteAlias(context.Background(), "live"))
	must(eng.DeleteVariant(context.Background(), "m1"))
	must(learn.Fit(context.Background(), eng.store, testfamily.Name, testfamily.Members(t, 0, 1), learn.Options{Gate: gate.Options{Step: 0.5}}))
}

// An engine that opens a store with damaged pointers serves everything else, and its errors
// say what to do.
func TestOpenWithDamagedPointers(t *testing.T) {
	first := tinyEngine(t, Options{})
	image, ctx := picture(1, 8, 8), context.Background()
	damagePointers(t, first)
	eng := openAgain(t, first)
	if lines := eng.Warnings(); len(lines) != 3 || !strings.Contains(strings.Join(lines, "\n"), "m1.json") {
		t.Errorf("warnings %q, want three, one about m1.json", lines)
	}
	classify(t, eng, "m3", image)
	for _, ref := range []string{"m1", "m1:1", "m1@12345678", "live"} {
		if _, err := eng.Classify(ctx, ref, image, ClassifyOptions{}); codeOf(err) != Damaged || !strings.Contains(err.Error(), "restore the file") {
			t.Errorf("classify by %s: %v, want code Damaged and what to do", ref, err)
		}
	}
	if _, err := eng.Alias("live"); codeOf(err) != Damaged {
		t.Errorf("show the alias: %v, want code Damaged", err)
	}
	c := testfamily.Members(t, 1)[0]
	if _, _, err := eng.Add(ctx, testfamily.Name, "m1", c, gate.Options{Step: 1}); codeOf(err) != Damaged {
		t.Errorf("add to a family that cannot be read: %v, want code Damaged", err)
	}
	if err := learn.Fit(ctx, eng.store, "other", testfamily.Members(t, 1, 2), learn.Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("fit members whose names are damaged: %v, want ErrDamaged", err)
	}
	for _, ref := range []string{"m1:1", "m1", "m3"} { // the alias may name it
		if err := eng.DeleteVariant(ctx, ref); codeOf(err) != Damaged {
			t.Errorf("delete %s: %v, want code Damaged", ref, err)
		}
	}
	if _, _, err := eng.PutVariant(ctx, "m1", fileOf(t, eng, "m2")); codeOf(err) != Conflict {
		t.Errorf("put m1: %v, want code Conflict", err)
	}
	repairPointers(t, eng)
	if lines := eng.Warnings(); len(lines) != 0 {
		t.Errorf("warnings %q after the repair, want none", lines)
	}
}

// A pointer that is restored is followed although no change was announced.
func TestRestoredPointer(t *testing.T) {
	first := tinyEngine(t, Options{})
	path := filepath.Join(first.store.Dir(), "models", "m1.json")
	raw := mustRead(path)
	must(os.WriteFile(path, raw[:20], 0o644))
	eng := openAgain(t, first)
	if _, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Damaged {
		t.Errorf("classify: %v, want code Damaged", err)
	}
	for range 2 {
		if done, err := eng.Reload(context.Background(), false); err != nil || done != (Reloaded{}) {
			t.Errorf("reload without a change: %+v, %v", done, err)
		}
	}
	must(os.WriteFile(path, raw, 0o644))
	if done, err := eng.Reload(context.Background(), false); err != nil || done.Added != 1 {
		t.Errorf("reload after the pointer was restored: %+v, %v; want one model added", done, err)
	}
	classify(t, eng, "m1", picture(1, 8, 8))
}
