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

// startClients calls request from n goroutines until stop is called or the test ends. Each
// client counts its calls by i, and ends when request returns false.
func startClients(t *testing.T, n int, request func(client, i int) bool) (stop func()) {
	var done atomic.Bool
	var clients sync.WaitGroup
	for client := range n {
		clients.Go(func() {
			for i := 0; !done.Load() && request(client, i); i++ {
			}
		})
	}
	stop = func() { done.Store(true); clients.Wait() }
	t.Cleanup(stop)
	return stop
}

// size returns the number of keys of m.
func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// forget replaces the handle of a name's current version by a new one, as after a restart.
func forget(eng *Engine, name string) {
	versions := slices.Clone(eng.catalogue.of(name))
	versions[len(versions)-1] = newHandle(last(versions).entry)
	eng.catalogue.set(name, versions)
}

// TestReplaceUnderLoad puts different files under one name while clients request it. Every
// answer is that of the file which it names. Files that were never read are replaced, too.
func TestReplaceUnderLoad(t *testing.T) {
	for _, unread := range []bool{false, true} {
		t.Run(fmt.Sprintf("unread=%t", unread), func(t *testing.T) {
			t.Parallel() // the store's writes take most of the time
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4})
			image := picture(1, 8, 8)
			want, files := answersOf(t, eng, image)
			var seen sync.Map // digests that answered the clients
			stop := startClients(t, 4, func(int, int) bool {
				a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return false
				}
				seen.Store(a.Digest, true)
				if !same(byLabel(a), want[a.Digest]) {
					t.Errorf("%s answers %v, want %v", a.Digest, byLabel(a), want[a.Digest])
				}
				return true
			})
			rounds := 24
			if testing.Short() {
				rounds = 6
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
				eventually(t, "the new file answers a client", func() bool {
					_, ok := seen.Load(info.Digest)
					return ok || t.Failed()
				})
			}
			stop()
			waitIdle(t, eng.cache)
			if n := size(&seen); n < 2 {
				t.Errorf("the clients were answered by %d files, want more", n)
			}
		})
	}
}

func TestDeleteUnderLoad(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4})
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	var answered, refused atomic.Int64
	stop := startClients(t, 4, func(int, int) bool {
		a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
		switch {
		case err == nil && same(byLabel(a), want[a.Digest]):
			answered.Add(1)
		case codeOf(err) == NotFound:
			refused.Add(1)
		default:
			t.Errorf("m1 answers %v, %v; want %v or code NotFound", a, err, want[a.Digest])
		}
		return true
	})
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		if err := eng.DeleteVariant(context.Background(), "m1"); err != nil {
			t.Error(err)
		}
		before := refused.Load()
		eventually(t, "the deleted model is refused", func() bool { return refused.Load() > before })
		if _, replaced, err := eng.PutVariant(context.Background(), "m1", files[i%len(files)]); err != nil || replaced {
			t.Errorf("put m1 again: replaced %t, %v; want a new model", replaced, err)
		}
		before = answered.Load()
		eventually(t, "the new model answers", func() bool { return answered.Load() > before })
	}
	stop()
	waitIdle(t, eng.cache)
}

// A request ends with the version that it began with, although that is replaced and its file
// deleted meanwhile.
func TestRequestOutlivesItsVariant(t *testing.T) {
	eng := tinyEngine(t, Options{})
	eng.store.KeepVersions(1)
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	h, l, err := eng.open("m1")
	must(err)
	lease, err := eng.lease(context.Background(), h, l)
	must(err)
	putFile(t, eng, "m1", files[2])
	if _, err := os.Stat(blobPath(eng.store, h.entry.Digest)); err == nil {
		t.Error("the old file still exists")
	}
	logits, _, err := eng.compute(context.Background(), h, l, decoding(l.variant.Input.Image, image)) // rebuilt from memory
	if err != nil {
		t.Fatal(err)
	}
	for i, label := range l.variant.Labels {
		if float64(logits[0][i]) != want[h.entry.Digest][label] {
			t.Errorf("%q scores %g, want %g", label, logits[0][i], want[h.entry.Digest][label])
		}
	}
	lease.Release()
	waitIdle(t, eng.cache)
}

// TestRequestDuringReplacement makes a request at the moment when the old file is deleted
// and the catalogue still has it.
func TestRequestDuringReplacement(t *testing.T) {
	eng := tinyEngine(t, Options{})
	eng.store.KeepVersions(1)
	image := picture(1, 8, 8)
	want, files := answersOf(t, eng, image)
	forget(eng, "m1")
	before := eng.Counters().Requests
	eng.change.Lock()
	v, err := store.ParseVariant(files[2])
	must(err)
	e, _, err := eng.store.PutVariant("m1", v, files[2])
	must(err)
	var request sync.WaitGroup
	request.Go(func() {
		a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
		if err != nil || a.Digest != e.Digest || !same(byLabel(a), want[e.Digest]) {
			t.Errorf("%s answers %v, %v; want %s and %v", a.Digest, a, err, e.Digest, want[e.Digest])
		}
	})
	eventually(t, "the request begins", func() bool { return eng.Counters().Requests > before })
	for range 1000 {
		goruntime.Gosched() // so that the request most likely looks for the file now
	}
	eng.refresh("m1", newHandle(e))
	eng.change.Unlock()
	request.Wait()
}

// TestNamesUnderLoad puts, moves and deletes models and an alias while clients request them.
// Every answer is that of the version which it names, and the alias always answers.
func TestNamesUnderLoad(t *testing.T) {
	for _, factored := range []bool{false, true} {
		t.Run(fmt.Sprintf("factored=%t", factored), func(t *testing.T) {
			t.Parallel() // the store's writes take most of the time
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4, Factored: factored})
			image, ctx := picture(1, 8, 8), context.Background()
			want, files := answersOf(t, eng, image)
			putAlias(t, eng, "live", Target{Model: "m2"})
			var answered atomic.Int64
			var seen sync.Map // digests that answered for the alias
			refs := []string{"m1", "m1", "live", "live", "m3"}
			stop := startClients(t, len(refs), func(client, _ int) bool {
				ref := refs[client]
				a, err := eng.Classify(ctx, ref, image, ClassifyOptions{Function: "none"})
				switch {
				case ref == "m3" && codeOf(err) == NotFound:
				case err != nil:
					t.Errorf("classify by %s: %v", ref, err)
					return false
				case !near(byLabel(a), want[a.Digest], 1e-4): // rebuilt and factored answers differ a little
					t.Errorf("%s is answered by %s:%d as %v, want %v", ref, a.Variant, a.Version, byLabel(a), want[a.Digest])
				default:
					answered.Add(1)
				}
				if ref == "live" {
					seen.Store(a.Digest, true)
				}
				return true
			})
			rounds := 40
			if testing.Short() {
				rounds = 12
			}
			r := rand.New(rand.NewPCG(1, 1))
			for range rounds {
				changeNames(t, eng, r, files)
				before := answered.Load()
				eventually(t, "more requests are answered", func() bool { return answered.Load() > before+2 })
			}
			stop()
			if n := size(&seen); n < 2 {
				t.Errorf("the alias was answered by %d files, want more", n)
			}
		})
	}
}

// changeNames puts a version of m1, moves the alias "live" to it in two steps, deletes the
// oldest version of m1, and deletes m3 and puts it again.
func changeNames(t *testing.T, eng *Engine, r *rand.Rand, files [][]byte) {
	ctx := context.Background()
	randomFile := func() []byte { return files[r.IntN(len(files))] }
	now := putFile(t, eng, "m1", randomFile())
	putAlias(t, eng, "live", Target{Model: "m1", Version: now.Version, Weight: 1}, Target{Model: "m2", Weight: 3})
	putAlias(t, eng, "live", Target{Model: "m1", Version: now.Version})
	if a, err := eng.Classify(ctx, "live", picture(1, 8, 8), ClassifyOptions{}); err != nil || a.Digest != now.Digest {
		t.Errorf("after the alias was moved to %s, %s answers, %v", now.Digest, a.Digest, err)
	}
	versions, err := eng.Versions("m1")
	if err != nil {
		t.Error(err)
	}
	if oldest := versions[0].Version; oldest != now.Version {
		if err := eng.DeleteVariant(ctx, fmt.Sprintf("m1:%d", oldest)); err != nil {
			t.Error(err)
		}
	}
	if err := eng.DeleteVariant(ctx, "m3"); err != nil {
		t.Error(err)
	}
	putFile(t, eng, "m3", randomFile())
}
