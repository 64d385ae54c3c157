package runtime

import (
	"context"
	"sync"
	"testing"
	"time"

	"eigenserve/store/tensorfile"
)

// inOneBatch asks all at once, of an engine with one slot: the slot is taken
// until all of them wait.
func inOneBatch(t *testing.T, eng *Engine, asks ...func()) {
	t.Helper()
	giveBack := eng.scheduler.occupy()
	var all sync.WaitGroup
	for _, ask := range asks {
		all.Go(ask)
	}
	eventually(t, "all wait", func() bool { return eng.scheduler.waitingNow() == len(asks) })
	giveBack()
	all.Wait()
}

// TestMixedBatchAnswersAsAlone asks several variants at once, of which some have
// slabs, and holds each answer to the one that it gets alone.
func TestMixedBatchAnswersAsAlone(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, MaxBatch: 16})
	alone := tinyEngine(t, Options{})
	must(eng.SetPinned(context.Background(), "m1", true))
	must(eng.SetPinned(context.Background(), "m4", true))
	before := eng.Counters()
	var asks []func()
	for i := range 2 * tinyMembers {
		name, _ := member(i % tinyMembers)
		image := picture(uint64(i), 8, 8)
		_, want := classify(t, alone, name, image)
		asks = append(asks, func() {
			a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
			if err != nil || a.Variant != name || !near(byLabel(a), want, 1e-3) {
				t.Errorf("%s: %v, %v, want %v", name, a, err, want)
			}
			if a.Timing.Queue < 0 || a.Timing.Compute <= 0 || a.Timing.Preprocess <= 0 || (a.Timing.Rebuild > 0) != (name != "m1" && name != "m4") && a.Timing.Rebuild > time.Millisecond {
				t.Errorf("%s: %+v", name, a.Timing)
			}
		})
	}
	inOneBatch(t, eng, asks...)
	n := eng.Counters()
	if hits, factored := n.Hits-before.Hits, n.Factored-before.Factored; hits != 4 || factored != 8 {
		t.Errorf("%d answers from slabs, %d without, not 4 and 8", hits, factored)
	}
	if batches := n.Batches.Counts; batches[4] != 1 || n.Batches.Sum != 12 { // of 9 to 16
		t.Errorf("not one batch of twelve: %+v", n.Batches)
	}
}

// TestNotMixedBatchesAreOfOneVariant asks the same with mixed batches off.
func TestNotMixedBatchesAreOfOneVariant(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, NotMixed: true})
	var asks []func()
	for i := range 12 {
		name, _ := member(i % 3)
		asks = append(asks, func() {
			if _, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	inOneBatch(t, eng, asks...)
	if n := eng.Counters().Batches; n.Counts[2] != 3 || n.Sum != 12 { // of 3 or 4
		t.Errorf("not three batches of four: %+v", n)
	}
}

// TestOneRowsFaultIsItsOwn has a row of a batch overflow.
func TestOneRowsFaultIsItsOwn(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	_, want := classify(t, eng, "m1", picture(1, 8, 8))
	huge := make([]float32, 3*8*8)
	for i := range huge {
		huge[i] = 3e38
	}
	inOneBatch(t, eng, func() {
		if _, err := eng.Infer(context.Background(), "m1", Inputs{Pixels: huge, Shape: [3]int{3, 8, 8}}); codeOf(err) != Invalid {
			t.Error(err)
		}
	}, func() {
		if _, got := classify(t, eng, "m1", picture(1, 8, 8)); !same(got, want) {
			t.Errorf("beside a row that overflows it answers %v, not %v", got, want)
		}
	})
	if n := eng.Counters().Batches; n.Counts[1] != 1 {
		t.Errorf("not one batch of two: %+v", n)
	}
}

// TestPanicFailsOnlyItsBatch breaks a variant in memory.
func TestPanicFailsOnlyItsBatch(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	_, l, err := eng.open("m1")
	must(err)
	l.variant.Head = nil
	l.variant.Private = map[string]tensorfile.Tensor{"classifier.weight": {DType: "F32", Shape: []int{1 << 40, 1 << 40}}}
	if _, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Internal && codeOf(err) != Damaged {
		t.Error(err)
	}
	classify(t, eng, "m2", picture(1, 8, 8))
	quiet(t, eng.cache)
}

// expiring has a deadline that is far off, until done is closed: then it is past.
type expiring struct {
	context.Context
	done chan struct{}
}

func (e *expiring) Deadline() (time.Time, bool) { return time.Now().Add(time.Hour), true }
func (e *expiring) Done() <-chan struct{}       { return e.done }

func (e *expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestGoneClientFreesItsPlace counts what waits.
func TestGoneClientFreesItsPlace(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	giveBack := eng.scheduler.occupy()
	ctx, cancel := context.WithCancel(context.Background())
	var waits sync.WaitGroup
	waits.Go(func() {
		if _, err := eng.Classify(ctx, "m1", picture(1, 8, 8), ClassifyOptions{}); err != context.Canceled {
			t.Errorf("given up: %v", err)
		}
	})
	past := &expiring{context.Background(), make(chan struct{})}
	waits.Go(func() {
		if _, err := eng.Classify(past, "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Deadline {
			t.Errorf("past its deadline: %v", err)
		}
	})
	eventually(t, "both wait", func() bool { return eng.Counters().Waiting == 2 && eng.scheduler.waitingNow() == 2 })
	close(past.done)
	eventually(t, "one waits", func() bool { return eng.Counters().Waiting == 1 && eng.scheduler.waitingNow() == 1 })
	cancel()
	waits.Wait()
	if n := eng.Counters(); n.Waiting != 0 || n.Gone != 1 || n.Late != 1 {
		t.Errorf("%+v", n)
	}
	giveBack()
	classify(t, eng, "m1", picture(1, 8, 8))
	if n := eng.Counters().Batches.Sum; n != 1 {
		t.Errorf("%g rows were computed where one was wanted", n)
	}
}

// TestDueRebuildsAreDoneTogether lets several variants pay for their rebuilds
// while one is under way.
func TestDueRebuildsAreDoneTogether(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true})
	alone := tinyEngine(t, Options{})
	var all []promotion
	for _, e := range eng.store.Variants()[:5] {
		h, l, err := eng.open(e.Name)
		must(err)
		all = append(all, promotion{h: h, l: l})
	}
	p := &eng.promotions
	p.active = true // somebody rebuilds already
	for _, x := range all {
		eng.promote(x.h, x.l)
		eng.promote(x.h, x.l) // twice is once
	}
	first, second := p.take(), p.take()
	if len(first) != rebuiltTogether || len(second) != len(all)-rebuiltTogether {
		t.Fatalf("%d due, taken %d and %d at a time", len(all), len(first), len(second))
	}
	eng.rebuildNow(first)
	if n := eng.Counters(); n.Rebuilds != rebuiltTogether || n.Misses != rebuiltTogether {
		t.Errorf("%+v", n)
	}
	for _, x := range first {
		_, want := classify(t, alone, x.h.entry.Name, picture(1, 8, 8))
		if _, got := classify(t, eng, x.h.entry.Name, picture(1, 8, 8)); !near(got, want, 1e-3) {
			t.Errorf("%s, rebuilt with others, answers %v, not %v", x.h.entry.Name, got, want)
		}
	}
	if n := eng.Counters(); n.Hits != rebuiltTogether || n.Factored != 0 {
		t.Errorf("%+v", n)
	}
	quiet(t, eng.cache)
}

// TestRebuildThatEvictsHotterDoesNotPay gives one variant the only slab and more
// requests than another has, which then may have paid as much as it likes.
func TestRebuildThatEvictsHotterDoesNotPay(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, WeightCache: tinySlab})
	image := picture(1, 8, 8)
	ask := func(name string, times int) {
		for range times {
			classify(t, eng, name, image)
			eng.inside.Wait() // for a rebuild behind it
		}
	}
	rent := func(name string) {
		h, l, err := eng.open(name)
		must(err)
		l.family.costs.factored.nanoseconds.Store(int64(time.Second)) // so that a slab is worth more than what is decoded
		eng.rebuildNow([]promotion{{h: h, l: l}})
	}
	ask("m1", 8)
	rent("m1")
	ask("m2", 4)
	rent("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident != "slab" || list[2].Resident == "slab" {
		t.Errorf("m1 is %s, m2 is %s", list[1].Resident, list[2].Resident)
	}
	ask("m2", 8)
	rent("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident == "slab" || list[2].Resident != "slab" {
		t.Errorf("when m2 is hotter, m1 is %s, m2 is %s", list[1].Resident, list[2].Resident)
	}
}
