package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gofrs/flock"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

// answerLog records answers of several goroutines.
type answerLog struct {
	mu     sync.Mutex                    // guards logits, failed
	logits map[string]map[string]float64 // by name@digest, then by label
	failed []error
	count  atomic.Int64 // calls of add
}

// logAnswers makes requests for all members of the family from a number of clients until
// stop is called.
func logAnswers(t *testing.T, eng *Engine, image []byte, clients int) (log *answerLog, stop func()) {
	log = &answerLog{logits: map[string]map[string]float64{}}
	return log, startClients(t, clients, func(client, i int) bool {
		name, _ := testfamily.Member((client + i) % testfamily.Size)
		log.add(eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"}))
		return true
	})
}

// add records an answer, which has failed if it differs from an earlier one by the same file.
func (log *answerLog) add(a Answer, err error) {
	log.mu.Lock()
	defer log.mu.Unlock()
	log.count.Add(1)
	key := a.Variant + "@" + a.Digest
	if was, ok := log.logits[key]; err == nil && ok && !near(was, byLabel(a), 1e-5) {
		err = fmt.Errorf("%s answers %v after %v", key, byLabel(a), was)
	}
	if err != nil {
		log.failed = append(log.failed, err)
		return
	}
	log.logits[key] = byLabel(a)
}

// hasAll reports whether each name was answered by its digest, or an answer has failed.
func (log *answerLog) hasAll(digests map[string]string) bool {
	log.mu.Lock()
	defer log.mu.Unlock()
	for name, digest := range digests {
		if log.logits[name+"@"+digest] == nil && len(log.failed) == 0 {
			return false
		}
	}
	return true
}

// refitInAnotherProcess fits the tests' family again, with a smaller step and another basis.
func refitInAnotherProcess(t *testing.T, eng *Engine) *store.Store {
	t.Helper()
	s := testfamily.Reopen(t, eng.store.Dir())
	_, err := learn.Refit(context.Background(), s, testfamily.Name, testfamily.Members(t, 0, 1, 2, 3, 4, 5),
		learn.Options{Gate: gate.Options{Step: 0.25}, Metric: "none"})
	must(err)
	return s
}

// TestRefitUnderLoad fits the served family again in another process while clients request
// all of it. No request fails, every answer is that of the old file or of the new one, and
// nothing of the old basis stays in memory.
func TestRefitUnderLoad(t *testing.T) {
	for _, factored := range []bool{false, true} {
		t.Run(fmt.Sprintf("factored=%t", factored), func(t *testing.T) {
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4, Factored: factored})
			before := digestsOf(eng.store)
			must(eng.SetPinned(context.Background(), "m2", true))
			log, stop := logAnswers(t, eng, picture(1, 8, 8), 4)
			eventually(t, "all members have answered", func() bool { return log.hasAll(before) })
			basis, retired := weak.Make(onlyFamily(t, eng)), atomic.Int64{}

			ctx, cancel := context.WithCancel(context.Background())
			var watching sync.WaitGroup
			watching.Go(func() {
				eng.Watch(ctx, time.Millisecond, nil, func(r Reloaded, err error) {
					retired.Add(int64(r.Retired))
					if err != nil {
						t.Error(err)
					}
				})
			})
			after := digestsOf(refitInAnotherProcess(t, eng))
			eventually(t, "the old basis is retired", func() bool { return retired.Load() == 1 })
			eventually(t, "all new files have answered", func() bool { return log.hasAll(after) })
			stop()
			cancel()
			watching.Wait()

			checkAnswersOfBoth(t, log, before, after)
			for name, digest := range before {
				if eng.cache.Contains(cache.Weights, digest) {
					t.Errorf("the weights of the old %s are still in the cache", name)
				}
			}
			if h, err := eng.find("m2"); err != nil || h.pinned.Load() == nil {
				t.Errorf("m2 is not pinned any more: %v", err)
			}
			must(eng.SetPinned(context.Background(), "m2", false))
			eventually(t, "rebuilds in the background end", func() bool { return eng.cache.Stats().Weights.Leased == 0 })
			waitIdle(t, eng.cache)
			eventually(t, "the old basis is freed", func() bool { goruntime.GC(); return basis.Value() == nil })
		})
	}
}

// checkAnswersOfBoth checks that every name was answered by its old and its new file, and by
// no others.
func checkAnswersOfBoth(t *testing.T, log *answerLog, before, after map[string]string) {
	t.Helper()
	if len(log.failed) > 0 {
		t.Errorf("%d requests failed, the first with %v", len(log.failed), log.failed[0])
	}
	for name, digest := range after {
		was, now := name+"@"+before[name], name+"@"+digest
		if log.logits[was] == nil || log.logits[now] == nil || was == now {
			t.Errorf("%.15s and %.15s did not both answer", was, now)
		}
		delete(log.logits, was)
		delete(log.logits, now)
	}
	if len(log.logits) > 0 {
		t.Errorf("files that were never in the store have answered: %v", log.logits)
	}
}

// A model that another process removes, after its change was read halfway, is not found. That
// its file is missing is no damage.
func TestRemovedDuringReload(t *testing.T) {
	eng := tinyEngine(t, Options{})
	dir := eng.store.Dir()
	lock := flock.New(filepath.Join(dir, "lock"))
	must(lock.Lock()) // the other process is changing the store
	defer lock.Close()
	must(os.WriteFile(filepath.Join(dir, "changes"), fmt.Appendf(nil, "%020d\n", time.Now().UnixNano()|1), 0o644))
	if _, err := eng.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	digest := digestsOf(eng.store)["m1"]
	must(os.Remove(filepath.Join(dir, "models", "m1.json")))
	must(os.Remove(blobPath(eng.store, digest)))
	for _, ref := range []string{"m1", "m1@" + digest} {
		if _, err := eng.Classify(context.Background(), ref, picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != NotFound {
			t.Errorf("classify by %s: %v, want code NotFound", ref, err)
		}
	}
	classify(t, eng, "m2", picture(1, 8, 8))
}

// TestLateRequestsKeepNoRetiredBasis answers requests that found their variants before these
// were replaced. Neither what they decode nor what they rebuild keeps the old basis.
func TestLateRequestsKeepNoRetiredBasis(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	image := picture(1, 8, 8)
	classify(t, eng, "m1", image)
	basis := weak.Make(onlyFamily(t, eng))
	answerAfterRefit(t, eng, image)
	if s := eng.cache.Stats(); s.Weights.Entries == 0 || s.Decoded.Entries == 0 {
		t.Fatalf("the cache has %+v, want weights and decoded coefficients of the old basis", s)
	}
	if n := eng.retireBases(); n != 1 {
		t.Errorf("%d bases were retired, want 1", n)
	}
	if s := eng.cache.Stats(); s.Weights.Entries+s.Decoded.Entries > 0 || s.Used > 0 {
		t.Errorf("after the old basis was retired, the cache has %+v", s)
	}
	eventually(t, "the old basis is freed", func() bool { goruntime.GC(); return basis.Value() == nil })
	waitIdle(t, eng.cache)
}

// answerAfterRefit finds all members, fits the family again, and then answers by what it
// found. It keeps no reference to the old family.
func answerAfterRefit(t *testing.T, eng *Engine, image []byte) {
	t.Helper()
	var late []promotion
	for i := range testfamily.Size {
		name, _ := testfamily.Member(i)
		h, l, err := eng.openForRequest(name)
		must(err)
		l.family.costs.rebuild.Observe(time.Hour) // so that no request makes a rebuild due
		late = append(late, promotion{h: h, l: l})
	}
	refitInAnotherProcess(t, eng)
	_, err := eng.store.Refresh(true)
	must(err)
	for _, x := range late {
		eng.refresh(x.h.entry.Name, nil)
		_, _, err := eng.compute(context.Background(), x.h, x.l, decoding(x.l.variant.Input.Image, image))
		must(err)
	}
	eng.rebuildNow(late[:1])
}

func TestReloadFollowsAnotherProcess(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	if done, err := eng.Reload(context.Background(), false); err != nil || done != (Reloaded{}) {
		t.Fatalf("without a change: %+v, %v", done, err)
	}
	files := map[string][]byte{"m1": fileOf(t, eng, "m2"), "new": fileOf(t, eng, "m3")}
	other := openAgain(t, eng)
	for name, file := range files {
		putFile(t, other, name, file)
	}
	must(other.DeleteVariant(context.Background(), "m0"))
	done, err := eng.Reload(context.Background(), false)
	if want := (Reloaded{Added: 1, Replaced: 1, Removed: 1}); err != nil || done != want {
		t.Errorf("%+v, %v; want %+v", done, err, want)
	}
	if _, err := eng.Classify(context.Background(), "m0", image, ClassifyOptions{}); codeOf(err) != NotFound {
		t.Errorf("a removed model: %v, want code NotFound", err)
	}
	for name := range files {
		a, _ := classify(t, eng, name, image)
		b, _ := classify(t, other, name, image)
		if a.Digest != b.Digest {
			t.Errorf("%s is answered by %.12s, and by %.12s in the other process", name, a.Digest, b.Digest)
		}
	}
}

// A change reads what other processes changed before it. The next reload still follows that.
func TestReloadAfterOwnChange(t *testing.T) {
	eng := tinyEngine(t, Options{})
	other := openAgain(t, eng)
	must(other.DeleteVariant(context.Background(), "m0"))
	must(eng.DeleteVariant(context.Background(), "m1"))
	if done, err := eng.Reload(context.Background(), false); err != nil || done.Removed != 1 {
		t.Errorf("%+v, %v; want m0 removed", done, err)
	}
}

// A request whose file is missing follows another process without waiting for a reload.
func TestRequestFollowsAnotherProcess(t *testing.T) {
	eng := tinyEngine(t, Options{})
	other := openAgain(t, eng)
	other.store.KeepVersions(1) // so that the old file is deleted
	info := putFile(t, other, "m1", fileOf(t, eng, "m2"))
	if a, _ := classify(t, eng, "m1", picture(1, 8, 8)); a.Digest != info.Digest {
		t.Errorf("m1 is answered by %.12s, want %.12s", a.Digest, info.Digest)
	}
	if d, err := eng.Variant("m1"); err != nil || d.Digest != info.Digest {
		t.Errorf("m1 is described as %+v, %v; want digest %.12s", d.VariantInfo, err, info.Digest)
	}
}

// A new file that cannot be read does not replace the old one.
func TestReloadOfDamagedFile(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	was, _ := classify(t, eng, "m1", image)
	other := openAgain(t, eng)
	info := putFile(t, other, "m1", fileOf(t, eng, "m2"))
	must(other.DeleteVariant(context.Background(), "m2"))
	flipBit(blobPath(other.store, info.Digest), -1)
	done, err := eng.Reload(context.Background(), false)
	if err == nil || done.Removed != 1 {
		t.Errorf("%+v, %v; want m2 removed and an error about m1", done, err)
	}
	if a, _ := classify(t, eng, "m1", image); a.Digest != was.Digest {
		t.Errorf("m1 is answered by %.12s, want %.12s", a.Digest, was.Digest)
	}
}

// putNextVersion stores a version of a name that differs only by its provenance.
func putNextVersion(t *testing.T, s *store.Store, name string) store.Entry {
	t.Helper()
	e, err := s.Entry(name)
	must(err)
	v, err := s.ReadVariant(e.Digest)
	must(err)
	v.Provenance.Name += "-next"
	file, err := v.Bytes()
	must(err)
	v, err = store.ParseVariant(file)
	must(err)
	e, _, err = s.PutVariant(name, v, file)
	must(err)
	return e
}

// An alias changes together with the versions that it is moved to.
func TestReloadMovesAliasWithVersions(t *testing.T) {
	eng := tinyEngine(t, Options{})
	putAlias(t, eng, "live", Target{Model: "m5", Version: 1})
	other := testfamily.Reopen(t, eng.store.Dir())
	other.KeepVersions(1)
	for i := range testfamily.Size {
		putNextVersion(t, other, fmt.Sprintf("m%d", i))
	}
	_, err := other.PutAlias(Alias{Name: "live", Targets: []Target{{Model: "m5", Version: 2, Weight: 1}}})
	must(err)
	last := 1
	stop := startClients(t, 1, func(int, int) bool {
		h, err := eng.find("live")
		if err != nil || h.entry.Version < last {
			t.Errorf("the alias stands for %+v, %v, after version %d", h, err, last)
			return false
		}
		last = h.entry.Version
		return true
	})
	if _, err := eng.Reload(context.Background(), false); err != nil {
		t.Error(err)
	}
	stop()
	if h, err := eng.find("live"); err != nil || h.entry.Version != 2 {
		t.Errorf("the alias stands for %+v, %v; want version 2", h, err)
	}
}

// A reload tries again to read what the last one could not. Until then an alias that was
// moved to it stays as it was.
func TestReloadTriesAgain(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	putAlias(t, eng, "live", Target{Model: "m1", Version: 1})
	other := testfamily.Reopen(t, eng.store.Dir())
	e := putNextVersion(t, other, "m1")
	_, err := other.PutAlias(Alias{Name: "live", Targets: []Target{{Model: "m1", Version: 2, Weight: 1}}})
	must(err)
	path := blobPath(other, e.Digest)
	must(os.Rename(path, path+".away"))
	if done, err := eng.Reload(context.Background(), false); err == nil || done != (Reloaded{}) {
		t.Errorf("the first reload: %+v, %v; want no change and an error", done, err)
	}
	if a, _ := classify(t, eng, "live", image); a.Version != 1 {
		t.Errorf("answered by version %d, want 1", a.Version)
	}
	if done, err := eng.Reload(context.Background(), false); err != nil || done != (Reloaded{}) {
		t.Errorf("the second reload: %+v, %v; want no change and no error again", done, err)
	}
	must(os.Rename(path+".away", path))
	if done, err := eng.Reload(context.Background(), false); err != nil || done.Replaced != 1 {
		t.Errorf("after the file was restored: %+v, %v; want m1 replaced", done, err)
	}
	if a, _ := classify(t, eng, "live", image); a.Version != 2 {
		t.Errorf("answered by version %d, want 2", a.Version)
	}
}

// A new version of a model that was unloaded is served, whichever process put it.
func TestReloadEndsUnload(t *testing.T) {
	eng := tinyEngine(t, Options{})
	reload := func() { _, err := eng.Reload(context.Background(), false); must(err) }
	must(eng.Unload("m1"))
	other := testfamily.Reopen(t, eng.store.Dir())
	putNextVersion(t, other, "m2")
	reload()
	if _, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Unloaded {
		t.Errorf("after a new version of m2: %v, want code Unloaded", err)
	}
	putNextVersion(t, other, "m1")
	reload()
	classify(t, eng, "m1", picture(1, 8, 8))
}
