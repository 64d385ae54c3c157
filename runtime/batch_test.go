package runtime

import (
	"context"
	"sync"
	"testing"
	"time"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store/tensorfile"
)

// inOneBatch makes requests of one input each to an engine with one slot. It holds the slot
// until all of them wait.
func inOneBatch(t *testing.T, eng *Engine, requests ...func()) {
	t.Helper()
	release := holdSlot(eng)
	var all sync.WaitGroup
	for _, request := range requests {
		all.Go(request)
	}
	eventually(t, "all requests wait", func() bool { return eng.Counters().Queued == int64(len(requests)) })
	release()
	all.Wait()
}

// TestMixedBatchAnswersAsAlone makes requests for several variants at once, some of which
// have slabs, and compares each answer with the one to the same request alone.
func TestMixedBatchAnswersAsAlone(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, MaxBatch: 16})
	alone := tinyEngine(t, Options{})
	must(eng.SetPinned(context.Background(), "m1", true))
	must(eng.SetPinned(context.Background(), "m4", true))
	before := eng.Counters()
	var requests []func()
	for i := range 2 * testfamily.Size {
		name, _ := testfamily.Member(i % testfamily.Size)
		image := picture(uint64(i), 8, 8)
		_, want := classify(t, alone, name, image)
		hasSlab := name == "m1" || name == "m4"
		requests = append(requests, func() {
			a, err := eng.Classify(context.Background(), name, image, ClassifyOptions{Function: "none"})
			if err != nil || a.Variant != name || !near(byLabel(a), want, 1e-3) {
				t.Errorf("%s answers %v, %v; want %v", name, a, err, want)
			}
			if a.Timing.Queue < 0 || a.Timing.Compute <= 0 || a.Timing.Preprocess <= 0 || (a.Timing.Rebuild > 0) == hasSlab && a.Timing.Rebuild > time.Millisecond {
				t.Errorf("%s has the timing %+v", name, a.Timing)
			}
		})
	}
	inOneBatch(t, eng, requests...)
	n := eng.Counters()
	if hits, factored := n.Hits-before.Hits, n.Factored-before.Factored; hits != 4 || factored != 8 {
		t.Errorf("%d answers from slabs and %d factored, want 4 and 8", hits, factored)
	}
	if batches := n.Batches.Counts; batches[4] != 1 || n.Batches.Sum != 12 { // batches[4] are of 9 to 16
		t.Errorf("batches %+v, want one of 12", n.Batches)
	}
}

func TestNotMixedBatchesHaveOneVariant(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1, NotMixed: true})
	var requests []func()
	for i := range 12 {
		name, _ := testfamily.Member(i % 3)
		requests = append(requests, func() {
			if _, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	inOneBatch(t, eng, requests...)
	if n := eng.Counters().Batches; n.Counts[2] != 3 || n.Sum != 12 { // n.Counts[2] are of 3 or 4
		t.Errorf("batches %+v, want three of 4", n)
	}
}

func TestOverflowFailsOnlyItsInput(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	_, want := classify(t, eng, "m1", picture(1, 8, 8))
	huge := make([]float32, 3*8*8)
	for i := range huge {
		huge[i] = 3e38
	}
	inOneBatch(t, eng, func() {
		if _, err := eng.Infer(context.Background(), "m1", Inputs{Pixels: huge, Shape: [3]int{3, 8, 8}}); codeOf(err) != Invalid {
			t.Errorf("an input that overflows: %v, want code Invalid", err)
		}
	}, func() {
		a, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{Function: "none"})
		if err != nil || !same(byLabel(a), want) {
			t.Errorf("in a batch with an input that overflows, m1 answers %v, %v; want %v", a, err, want)
		}
	})
	if n := eng.Counters().Batches; n.Counts[1] != 1 {
		t.Errorf("batches %+v, want one of 2", n)
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
		t.Errorf("%v, want code Internal or Damaged", err)
	}
	classify(t, eng, "m2", picture(1, 8, 8))
	waitIdle(t, eng.cache)
}

// expiring is a context whose deadline is an hour away until done is closed, and has then
// passed.
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

// A request that is canceled or past its deadline leaves the queue and is not computed.
func TestCanceledRequestDoesNotWait(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	release := holdSlot(eng)
	ctx, cancel := context.WithCancel(context.Background())
	var requests sync.WaitGroup
	requests.Go(func() {
		if _, err := eng.Classify(ctx, "m1", picture(1, 8, 8), ClassifyOptions{}); err != context.Canceled {
			t.Errorf("canceled: %v, want context.Canceled", err)
		}
	})
	past := &expiring{context.Background(), make(chan struct{})}
	requests.Go(func() {
		if _, err := eng.Classify(past, "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Deadline {
			t.Errorf("past its deadline: %v, want code Deadline", err)
		}
	})
	eventually(t, "both requests wait", func() bool { return eng.Counters().Waiting == 2 && eng.Counters().Queued == 2 })
	close(past.done)
	eventually(t, "one request waits", func() bool { return eng.Counters().Waiting == 1 && eng.Counters().Queued == 1 })
	cancel()
	requests.Wait()
	if n := eng.Counters(); n.Waiting != 0 || n.Canceled != 1 || n.DeadlineExceeded != 1 {
		t.Errorf("counters %+v, want one request canceled, one past its deadline and none waiting", n)
	}
	release()
	classify(t, eng, "m1", picture(1, 8, 8))
	if n := eng.Counters().Batches.Sum; n != 1 {
		t.Errorf("%g inputs were computed, want 1", n)
	}
}

// TestMixingIsMeasured makes requests for several variants at once until mixed and separate
// batches have been measured.
func TestMixingIsMeasured(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1})
	log, stop := logAnswers(t, eng, picture(1, 8, 8), 8)
	defer stop()
	eventually(t, "the first request is answered", func() bool { return log.count.Load() > 0 })
	class := &onlyFamily(t, eng).class
	eventually(t, "both kinds of batches are measured", func() bool {
		inMixed, inSeparate := class.MixingTimes()
		return inMixed > 0 && inSeparate > 0
	})
}
