package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"eigenserve/store"
)

// TestReplaceUnderLoad puts different files under one name while it is asked:
// every answer is the one of exactly the digest that it names. Files that have
// not been read yet are replaced, too.
func TestReplaceUnderLoad(t *testing.T) {
	for _, unread := range []bool{false, true} {
		t.Run(fmt.Sprintf("unread=%t", unread), func(t *testing.T) {
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4})
			image := picture(1, 8, 8)
			want, files := answersOf(t, eng, image)
			rounds := 24
			if testing.Short() {
				rounds = 6
			}
			var done atomic.Bool
			var askers sync.WaitGroup
			seen := sync.Map{}
			for range 4 {
				askers.Go(func() {
					for !done.Load() {
						a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
						if err != nil {
							t.Errorf("lost an answer: %v", err)
							return
						}
						seen.Store(a.Digest, true)
						if !same(byLabel(a), want[a.Digest]) {
							t.Errorf("%s answers %v, not %v", a.Digest, byLabel(a), want[a.Digest])
						}
					}
				})
			}
			for i := range rounds {
				if unread {
					forget(eng, "m1")
				}
				info, _, err := eng.PutVariant(context.Background(), "m1", files[i%len(files)])
				if err != nil {
					t.Error(err)
				}
				if a, _ := classify(t, eng, "m1", image); a.Digest != info.Digest {
					t.Errorf("after %s was put, %s answers", info.Digest, a.Digest)
				}
				eventually(t, "the others are answered by it, too", func() bool {
					_, is := seen.Load(info.Digest)
					return is || t.Failed()
				})
			}
			done.Store(true)
			askers.Wait()
			quiet(t, eng.cache)
			distinct := 0
			seen.Range(func(any, any) bool { distinct++; return true })
			if distinct < 2 {
				t.Errorf("only %d of the files ever answered the others", distinct)
			}
		})
	}
}

// forget makes a handle as after a restart.
func forget(eng *Engine, name string) {
	versions := slices.Clone(eng.catalogue.of(name))
	versions[len(versions)-1] = newHandle(versions[len(versions)-1].entry)
	eng.catalogue.set(name, versions)
}

func TestDeleteUnderLoad(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4})
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	var done atomic.Bool
	var answered, refused atomic.Int64
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for !done.Load() {
				a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
				switch {
				case err == nil && same(byLabel(a), want[a.Digest]):
					answered.Add(1)
				case codeOf(err) == NotFound:
					refused.Add(1)
				default:
					t.Errorf("%v, %v", a, err)
				}
			}
		})
	}
	for i := range rounds {
		if err := eng.DeleteVariant(context.Background(), "m1"); err != nil {
			t.Error(err)
		}
		now := refused.Load()
		eventually(t, "the deleted is refused", func() bool { return refused.Load() > now })
		if _, replaced, err := eng.PutVariant(context.Background(), "m1", files[i%len(files)]); err != nil || replaced {
			t.Error(replaced, err)
		}
		now = answered.Load()
		eventually(t, "the new one answers", func() bool { return answered.Load() > now })
	}
	done.Store(true)
	askers.Wait()
	quiet(t, eng.cache)
}

func TestRequestUnderWayOutlivesItsVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	eng.store.KeepVersions(1)
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	h, l, err := eng.open("m1")
	must(err)
	held, err := eng.lease(context.Background(), h, l)
	must(err)
	if _, _, err := eng.PutVariant(context.Background(), "m1", files[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(blobPath(eng.store, h.entry.Digest)); err == nil {
		t.Error("the old file is still there")
	}
	logits, _, err := eng.compute(context.Background(), h, l, decoding(l.variant.Input.Image, image)) // rebuilt from what is in memory
	if err != nil {
		t.Fatal(err)
	}
	for i, label := range l.variant.Labels {
		if float64(logits[0][i]) != want[h.entry.Digest][label] {
			t.Errorf("%q scores %g, want %g", label, logits[0][i], want[h.entry.Digest][label])
		}
	}
	held.Release()
	quiet(t, eng.cache)
}

// TestReplacedBeforeItWasRead stops a replacement between the two moments where
// the old file is gone and the name still leads to it.
func TestReplacedBeforeItWasRead(t *testing.T) {
	eng := tinyEngine(t, Options{})
	eng.store.KeepVersions(1)
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	forget(eng, "m1")
	asked := eng.Counters().Requests
	eng.change.Lock()
	v, err := store.ParseVariant(files[2])
	must(err)
	e, _, err := eng.store.PutVariant("m1", v, files[2])
	must(err)
	var request sync.WaitGroup
	request.Go(func() {
		a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
		if err != nil || a.Digest != e.Digest || !same(byLabel(a), want[e.Digest]) {
			t.Errorf("%v, %v", a, err)
		}
	})
	eventually(t, "the request begins", func() bool { return eng.Counters().Requests > asked })
	for range 1000 {
		goruntime.Gosched() // so that it most likely looks for the file now
	}
	eng.refresh("m1", newHandle(e))
	eng.change.Unlock()
	request.Wait()
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
