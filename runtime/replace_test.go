package runtime

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"eigenserve/store"
)

// answers are what each variant's file has to answer, by digest.
type answers map[string]map[string]float64

// answersOf asks each member once, and gives their files.
func answersOf(t *testing.T, eng *Engine, image []byte) (a answers, files [][]byte) {
	t.Helper()
	a = answers{}
	for i := range tinyMembers {
		name, _ := member(i)
		answer, scores := classify(t, eng, name, image)
		a[answer.Digest] = scores
		files = append(files, fileOf(t, eng, name))
	}
	return a, files
}

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
