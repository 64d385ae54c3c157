package runtime

import (
	"context"
	"sync"
	"testing"
	"time"

	"eigenserve/runtime/sched"
	"eigenserve/store/tensorfile"
)

// inOneBatch makes requests, of one input each, of an engine with one slot. The slot is
// taken until all of them wait.
func inOneBatch(t *testing.T, eng *Engine, requests ...func()) {
	t.Helper()
	release := holdSlot(eng)
	var all sync.WaitGroup
	for _, request := range requests {
		all.Go(request)
	}
	eventually(t, "all wait", func() bool { return eng.Counters().Queued == int64(len(requests)) })
	release()
	all.Wait()
}

// setAverage makes d the only value that an average has observed.
func setAverage(a *sched.Average, d time.Duration) {
	*a = sched.Average{}
	a.Observe(d)
}

// TestMixedBatchAnswersAsAlone requests several variants at once, some of which have slabs,
// and compares each answer with the one to the same request alone.
func TestMixedBatchAnswersAsAlone(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, MaxBatch: 16})
	alone := tinyEngine(t, Options{})
	must(eng.SetPinned(context.Background(), "m1", true))
	must(eng.SetPinned(context.Background(), "m4", true))
	before := eng.Counters()
	var requests []func()
	for i := range 2 * tinyMembers {
		name, _ := member(i % tinyMembers)
		image := picture(uint64(i), 8, 8)
		_, want := classify(t, alone, name, image)
		requests = append(requests, func() {
			a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
			if err != nil || a.Variant != name || !near(byLabel(a), want, 1e-3) {
				t.Errorf("%s: %v, %v, want %v", name, a, err, want)
			}
			if a.Timing.Queue < 0 || a.Timing.Compute <= 0 || a.Timing.Preprocess <= 0 || (a.Timing.Rebuild > 0) != (name != "m1" && name != "m4") && a.Timing.Rebuild > time.Millisecond {
				t.Errorf("%s: %+v", name, a.Timing)
			}
		})
	}
	inOneBatch(t, eng, requests...)
	n := eng.Counters()
	if hits, factored := n.Hits-before.Hits, n.Factored-before.Factored; hits != 4 || factored != 8 {
		t.Errorf("%d answers from slabs and %d factored, not 4 and 8", hits, factored)
	}
	if batches := n.Batches.Counts; batches[4] != 1 || n.Batches.Sum != 12 { // of 9 to 16
		t.Errorf("not one batch of twelve: %+v", n.Batches)
	}
}

// TestNotMixedBatchesAreOfOneVariant turns mixed batches off.
func TestNotMixedBatchesAreOfOneVariant(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, NotMixed: true})
	var requests []func()
	for i := range 12 {
		name, _ := member(i % 3)
		requests = append(requests, func() {
			if _, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	inOneBatch(t, eng, requests...)
	if n := eng.Counters().Batches; n.Counts[2] != 3 || n.Sum != 12 { // of 3 or 4
		t.Errorf("not three batches of four: %+v", n)
	}
}

// TestOverflowFailsOnlyItsInput has one input of a batch overflow.
func TestOverflowFailsOnlyItsInput(t *testing.T) {
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
			t.Errorf("in a batch with an input that overflows it answers %v, not %v", got, want)
		}
	})
	if n := eng.Counters().Batches; n.Counts[1] != 1 {
		t.Errorf("not one batch of two: %+v", n)
	}
}

// TestPanicFailsOnlyItsBatch damages a variant in memory.
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

// expiring is a context whose deadline is far off until done is closed, and then is past.
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

// TestCanceledRequestDoesNotWait counts what waits.
func TestCanceledRequestDoesNotWait(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	release := holdSlot(eng)
	ctx, cancel := context.WithCancel(context.Background())
	var waits sync.WaitGroup
	waits.Go(func() {
		if _, err := eng.Classify(ctx, "m1", picture(1, 8, 8), ClassifyOptions{}); err != context.Canceled {
			t.Errorf("canceled: %v", err)
		}
	})
	past := &expiring{context.Background(), make(chan struct{})}
	waits.Go(func() {
		if _, err := eng.Classify(past, "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Deadline {
			t.Errorf("past its deadline: %v", err)
		}
	})
	eventually(t, "both wait", func() bool { return eng.Counters().Waiting == 2 && eng.Counters().Queued == 2 })
	close(past.done)
	eventually(t, "one waits", func() bool { return eng.Counters().Waiting == 1 && eng.Counters().Queued == 1 })
	cancel()
	waits.Wait()
	if n := eng.Counters(); n.Waiting != 0 || n.Canceled != 1 || n.DeadlineExceeded != 1 {
		t.Errorf("%+v", n)
	}
	release()
	classify(t, eng, "m1", picture(1, 8, 8))
	if n := eng.Counters().Batches.Sum; n != 1 {
		t.Errorf("%g inputs were computed where one was to be", n)
	}
}

// TestMixingIsMeasured requests several variants at once until mixed and separate batches
// have been measured.
func TestMixingIsMeasured(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1})
	l, stop := ask(eng, picture(1, 8, 8), 8)
	defer stop()
	eventually(t, "the first answers", func() bool { return l.count.Load() > 0 })
	class := &onlyFamily(t, eng).class
	eventually(t, "both ways are measured", func() bool {
		inMixed, inSeparate := class.MixingTimes()
		return inMixed > 0 && inSeparate > 0
	})
}

// TestDueRebuildsAreDoneTogether has several variants promoted while another is rebuilt.
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
	p.running = true // another is being rebuilt
	for _, x := range all {
		eng.promote(x.h, x.l)
		eng.promote(x.h, x.l) // twice is once
	}
	first, second := p.take(), p.take()
	if len(first) != maxTogether || len(second) != len(all)-maxTogether {
		t.Fatalf("%d due, taken %d and %d at a time", len(all), len(first), len(second))
	}
	eng.rebuildNow(first)
	if n := eng.Counters(); n.Rebuilds != maxTogether || n.Misses != maxTogether {
		t.Errorf("%+v", n)
	}
	for _, x := range first {
		_, want := classify(t, alone, x.h.entry.Name, picture(1, 8, 8))
		if _, got := classify(t, eng, x.h.entry.Name, picture(1, 8, 8)); !near(got, want, 1e-3) {
			t.Errorf("%s was rebuilt with others and answers %v, not %v", x.h.entry.Name, got, want)
		}
	}
	if n := eng.Counters(); n.Hits != maxTogether || n.Factored != 0 {
		t.Errorf("%+v", n)
	}
	quiet(t, eng.cache)
}

// TestRebuildThatEvictsHotterDoesNotPay gives one variant the only slab and more requests
// than another has, which then is not rebuilt however much it has paid.
func TestRebuildThatEvictsHotterDoesNotPay(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, WeightCache: tinySlab})
	image := picture(1, 8, 8)
	classifyTimes := func(name string, times int) {
		for range times {
			classify(t, eng, name, image)
			eng.inside.Wait() // for a rebuild after it
		}
	}
	rebuild := func(name string) {
		h, l, err := eng.open(name)
		must(err)
		setAverage(&l.family.costs.factored, time.Second) // a slab is worth more than decoded coefficients
		eng.rebuildNow([]promotion{{h: h, l: l}})
	}
	classifyTimes("m1", 8)
	rebuild("m1")
	classifyTimes("m2", 4)
	rebuild("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident != "slab" || list[2].Resident == "slab" {
		t.Errorf("m1 is %s, m2 is %s", list[1].Resident, list[2].Resident)
	}
	classifyTimes("m2", 8)
	rebuild("m2")
	if list, _ := eng.Variants("", 3); list[1].Resident == "slab" || list[2].Resident != "slab" {
		t.Errorf("when m2 is hotter, m1 is %s, m2 is %s", list[1].Resident, list[2].Resident)
	}
}
