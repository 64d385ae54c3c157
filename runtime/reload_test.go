package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gofrs/flock"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
)

// digests gives the digest of every variant by name.
func digests(s *store.Store) map[string]string {
	out := map[string]string{}
	for _, e := range s.Variants() {
		out[e.Name] = e.Digest
	}
	return out
}

// logged are the answers of askers: of every digest that was named, all scores.
type logged struct {
	mu     sync.Mutex // guards by and failures
	by     map[string]map[string]float64
	failed []error
	count  atomic.Int64
}

// ask has goroutines ask all of the family's members until the returned function
// is called.
func ask(eng *Engine, image []byte, askers int) (l *logged, stop func()) {
	l = &logged{by: map[string]map[string]float64{}}
	var done atomic.Bool
	var wg sync.WaitGroup
	for k := range askers {
		wg.Go(func() {
			for i := k; !done.Load(); i++ {
				name, _ := member(i % tinyMembers)
				a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
				l.add(a, err)
			}
		})
	}
	return l, func() { done.Store(true); wg.Wait() }
}

// all tells whether every name has been answered by its digest, or one has failed.
func (l *logged) all(digests map[string]string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, digest := range digests {
		if l.by[name+"@"+digest] == nil && len(l.failed) == 0 {
			return false
		}
	}
	return true
}

func (l *logged) add(a Answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.Add(1)
	key := a.Variant + "@" + a.Digest
	if was, ok := l.by[key]; err == nil && ok && !near(was, byLabel(a), 1e-5) {
		err = fmt.Errorf("%s answers %v, and %v before", key, byLabel(a), was)
	}
	if err != nil {
		l.failed = append(l.failed, err)
		return
	}
	l.by[key] = byLabel(a)
}

// TestRefitUnderLoad fits the served family anew, as another process, while all
// of it is asked: nothing fails, every answer is one of the old file's or the
// new one's, and nothing of the old basis is left in the end.
func TestRefitUnderLoad(t *testing.T) {
	for _, factored := range []bool{false, true} {
		t.Run(fmt.Sprintf("factored=%t", factored), func(t *testing.T) {
			eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab, Parallel: 4, Factored: factored})
			image := picture(1, 8, 8)
			old := digests(eng.store)
			must(eng.SetPinned(context.Background(), "m2", true))
			l, stop := ask(eng, image, 4)
			eventually(t, "all are answered", func() bool { return l.all(old) })
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
			others := reopen(t, eng.store.Dir())
			_, err := learn.Refit(context.Background(), others, tinyFamily, members(t, 0, 1, 2, 3, 4, 5), learn.Options{Gate: gate.Options{Step: 0.25}, Metric: "none"})
			must(err)
			now := digests(others)
			eventually(t, "the old basis is retired", func() bool { return retired.Load() == 1 })
			eventually(t, "all are answered by the new ones", func() bool { return l.all(now) })
			stop()
			cancel()
			watching.Wait()

			if len(l.failed) > 0 {
				t.Errorf("%d answers failed, such as: %v", len(l.failed), l.failed[0])
			}
			for name := range now {
				if l.by[name+"@"+old[name]] == nil || l.by[name+"@"+now[name]] == nil || now[name] == old[name] {
					t.Errorf("%s was not answered both by %.12s and by %.12s", name, old[name], now[name])
				}
				if eng.cache.Contains(cache.Weights, old[name]) {
					t.Errorf("weights of the old %s are left", name)
				}
				delete(l.by, name+"@"+old[name])
				delete(l.by, name+"@"+now[name])
			}
			if len(l.by) > 0 {
				t.Errorf("answers of files that were never there: %v", l.by)
			}
			if h, err := eng.find("m2"); err != nil || h.pinned.Load() == nil {
				t.Error("a pin was lost")
			}
			must(eng.SetPinned(context.Background(), "m2", false))
			eventually(t, "rebuilds behind the requests end", func() bool { return eng.cache.Stats().Weights.Leased == 0 })
			quiet(t, eng.cache)
			eventually(t, "the old basis is freed", func() bool { goruntime.GC(); return basis.Value() == nil })
		})
	}
}

// A model that another process removes, after the folder was read in the middle of
// the same change, is one that isn't there: its file's absence is no damage.
func TestRemovedInAChangeThatWasRead(t *testing.T) {
	eng := tinyEngine(t, Options{})
	at := func(parts ...string) string { return filepath.Join(append([]string{eng.store.Dir()}, parts...)...) }
	theirs := flock.New(at("lock"))
	must(theirs.Lock())
	defer theirs.Close()
	must(os.WriteFile(at("changes"), fmt.Appendf(nil, "%020d\n", time.Now().UnixNano()|1), 0o644))
	if _, err := eng.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	digest := digests(eng.store)["m1"]
	must(os.Remove(at("models", "m1.json")))
	must(os.Remove(at("blobs", digest+".safetensors")))
	for _, name := range []string{"m1", "m1@" + digest} {
		if _, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	classify(t, eng, "m2", picture(1, 8, 8))
}

// TestLateAnswersKeepNoRetiredBasis answers by variants that were replaced since
// their requests found them, before their basis is retired: neither what that
// decodes nor what it rebuilds keeps the basis.
func TestLateAnswersKeepNoRetiredBasis(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	image := picture(1, 8, 8)
	classify(t, eng, "m1", image)
	basis := weak.Make(onlyFamily(t, eng))
	func() {
		type found struct {
			h *handle
			l *loaded
		}
		var late []found
		for i := range tinyMembers {
			name, _ := member(i)
			h, l, err := eng.ask(name)
			must(err)
			l.family.costs.rebuild.Observe(time.Hour) // so that no rebuild is due by itself
			late = append(late, found{h, l})
		}
		_, err := learn.Refit(context.Background(), reopen(t, eng.store.Dir()), tinyFamily, members(t, 0, 1, 2, 3, 4, 5), learn.Options{Gate: gate.Options{Step: 0.25}, Metric: "none"})
		must(err)
		_, err = eng.store.Refresh(true)
		must(err)
		for _, x := range late {
			eng.refresh(x.h.entry.Name, nil)
			_, _, err := eng.compute(context.Background(), x.h, x.l, decoding(x.l.variant.Input.Image, image))
			must(err)
		}
		eng.rebuildNow([]promotion{{h: late[0].h, l: late[0].l}})
	}()
	if s := eng.cache.Stats(); s.Weights.Entries == 0 || s.Decoded.Entries == 0 {
		t.Fatalf("nothing came late: %+v", s)
	}
	if n := eng.retireBases(); n != 1 {
		t.Errorf("%d bases retired", n)
	}
	if s := eng.cache.Stats(); s.Weights.Entries+s.Decoded.Entries > 0 || s.Used > 0 {
		t.Errorf("left of the retired basis: %+v", s)
	}
	eventually(t, "the old basis is freed", func() bool { goruntime.GC(); return basis.Value() == nil })
	quiet(t, eng.cache)
}

func onlyFamily(t *testing.T, eng *Engine) *servedFamily {
	t.Helper()
	all := eng.families.open()
	if len(all) != 1 {
		t.Fatalf("%d families in memory", len(all))
	}
	for _, f := range all {
		return f
	}
	return nil
}

func TestReloadFollowsAnotherProcess(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	if done, err := eng.Reload(context.Background(), false); err != nil || done != (Reloaded{}) {
		t.Fatalf("nothing changed: %+v, %v", done, err)
	}
	files := map[string][]byte{"m1": fileOf(t, eng, "m2"), "new": fileOf(t, eng, "m3")}
	others := serve(t, reopen(t, eng.store.Dir()), Options{})
	for name, file := range files {
		if _, _, err := others.PutVariant(context.Background(), name, file); err != nil {
			t.Fatal(err)
		}
	}
	must(others.DeleteVariant(context.Background(), "m0"))
	done, err := eng.Reload(context.Background(), false)
	if want := (Reloaded{Added: 1, Replaced: 1, Removed: 1}); err != nil || done != want {
		t.Errorf("%+v, %v, want %+v", done, err, want)
	}
	if _, err := eng.Classify(context.Background(), "m0", image, ClassifyOptions{}); codeOf(err) != NotFound {
		t.Errorf("a removed model answers: %v", err)
	}
	for name := range files {
		a, _ := classify(t, eng, name, image)
		b, _ := classify(t, others, name, image)
		if a.Digest != b.Digest {
			t.Errorf("%s is %.12s here and %.12s there", name, a.Digest, b.Digest)
		}
	}
}

// A change of one's own reads what others changed before it: those changes are
// not lost for the next reload.
func TestReloadAfterAChangeOfOnesOwn(t *testing.T) {
	eng := tinyEngine(t, Options{})
	others := serve(t, reopen(t, eng.store.Dir()), Options{})
	must(others.DeleteVariant(context.Background(), "m0"))
	must(eng.DeleteVariant(context.Background(), "m1"))
	if done, err := eng.Reload(context.Background(), false); err != nil || done.Removed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

// A request that finds its file gone looks whether another process replaced it,
// without waiting for the next tick.
func TestRequestFollowsAnotherProcess(t *testing.T) {
	eng := tinyEngine(t, Options{})
	others := serve(t, reopen(t, eng.store.Dir()), Options{})
	others.store.KeepVersions(1) // so that the old file goes
	info, _, err := others.PutVariant(context.Background(), "m1", fileOf(t, eng, "m2"))
	must(err)
	if a, _ := classify(t, eng, "m1", picture(1, 8, 8)); a.Digest != info.Digest {
		t.Errorf("answered by %.12s, want %.12s", a.Digest, info.Digest)
	}
	if d, err := eng.Variant("m1"); err != nil || d.Digest != info.Digest {
		t.Errorf("%v, %v", d.Digest, err)
	}
}

// A new file that can't be read does not take a good one's place.
func TestReloadKeepsWhatItHas(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	was, _ := classify(t, eng, "m1", image)
	others := serve(t, reopen(t, eng.store.Dir()), Options{})
	info, _, err := others.PutVariant(context.Background(), "m1", fileOf(t, eng, "m2"))
	must(err)
	must(others.DeleteVariant(context.Background(), "m2"))
	spoil(t, blobPath(others.store, info.Digest))
	done, err := eng.Reload(context.Background(), false)
	if err == nil || done.Removed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if a, _ := classify(t, eng, "m1", image); a.Digest != was.Digest {
		t.Errorf("answered by %.12s, want %.12s", a.Digest, was.Digest)
	}
}

// spoil changes the last byte of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	raw := mustRead(path)
	raw[len(raw)-1]++
	must(os.WriteFile(path, raw, 0o644))
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

// otherVersion puts a version of a name that differs by its provenance alone.
func otherVersion(t *testing.T, s *store.Store, name string) store.Entry {
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

// An alias and the versions that it was moved to are taken over at once.
func TestReloadMovesAliasesWithTheirVersions(t *testing.T) {
	eng := tinyEngine(t, Options{})
	_, _, err := eng.PutAlias(context.Background(), "live", []Target{{Model: "m5", Version: 1}})
	must(err)
	others := reopen(t, eng.store.Dir())
	others.KeepVersions(1)
	for i := range tinyMembers {
		otherVersion(t, others, fmt.Sprintf("m%d", i))
	}
	_, err = others.PutAlias(Alias{Name: "live", Targets: []Target{{Model: "m5", Version: 2, Weight: 1}}})
	must(err)
	var done atomic.Bool
	var asks sync.WaitGroup
	asks.Go(func() {
		for last := 1; !done.Load(); {
			h, err := eng.find("live")
			if err != nil || h.entry.Version < last {
				t.Errorf("%+v, %v after version %d", h, err, last)
				return
			}
			last = h.entry.Version
		}
	})
	if _, err := eng.Reload(context.Background(), false); err != nil {
		t.Error(err)
	}
	done.Store(true)
	asks.Wait()
	if h, err := eng.find("live"); err != nil || h.entry.Version != 2 {
		t.Errorf("%+v, %v", h, err)
	}
}

// What could not be read is looked at again; until then, an alias that was moved to it
// stays as well.
func TestReloadTriesAgain(t *testing.T) {
	eng := tinyEngine(t, Options{})
	image := picture(1, 8, 8)
	_, _, err := eng.PutAlias(context.Background(), "live", []Target{{Model: "m1", Version: 1}})
	must(err)
	others := reopen(t, eng.store.Dir())
	e := otherVersion(t, others, "m1")
	_, err = others.PutAlias(Alias{Name: "live", Targets: []Target{{Model: "m1", Version: 2, Weight: 1}}})
	must(err)
	path := blobPath(others, e.Digest)
	must(os.Rename(path, path+".away"))
	if done, err := eng.Reload(context.Background(), false); err == nil || done != (Reloaded{}) {
		t.Errorf("%+v, %v", done, err)
	}
	if a, _ := classify(t, eng, "live", image); a.Version != 1 {
		t.Errorf("answered by version %d", a.Version)
	}
	if done, err := eng.Reload(context.Background(), false); err != nil || done != (Reloaded{}) { // it was told
		t.Errorf("%+v, %v", done, err)
	}
	must(os.Rename(path+".away", path))
	if done, err := eng.Reload(context.Background(), false); err != nil || done.Replaced != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if a, _ := classify(t, eng, "live", image); a.Version != 2 {
		t.Errorf("answered by version %d", a.Version)
	}
}

// A new version is served whoever put it.
func TestReloadEndsAnUnload(t *testing.T) {
	eng := tinyEngine(t, Options{})
	reload := func() { _, err := eng.Reload(context.Background(), false); must(err) }
	must(eng.Unload("m1"))
	others := reopen(t, eng.store.Dir())
	otherVersion(t, others, "m2")
	reload()
	if _, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Unloaded {
		t.Errorf("after another's new version: %v", err)
	}
	otherVersion(t, others, "m1")
	reload()
	classify(t, eng, "m1", picture(1, 8, 8))
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
