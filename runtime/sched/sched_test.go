package sched_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"testing"
	"time"

	"eigenserve/runtime/sched"
)

// bench is a scheduler under test: batches end and time passes when the test says so.
type bench struct {
	*sched.Scheduler
	t      *testing.T
	wg     sync.WaitGroup // slots in use
	clock  time.Time
	timers []func()
	begun  chan *sched.Batch // the batches, as they begin
	end    chan struct{}     // lets one batch end for each element
	alone  map[any]bool      // keys whose inputs must be alone in their batch
	class  sched.Class       // of all keys, unless a test uses another
	held   []func()          // release the slots that the test took
}

func newBench(t *testing.T, c sched.Config) *bench {
	b := &bench{t: t, clock: time.Unix(1, 0), alone: map[any]bool{},
		begun: make(chan *sched.Batch, 1000), end: make(chan struct{}, 1000)}
	if c.MaxBatch == 0 {
		c.MaxBatch = 8
	}
	if c.MaxQueue == 0 {
		c.MaxQueue = 1024
	}
	c.Go = b.wg.Go
	c.Now = func() time.Time { return b.clock }
	c.AfterFunc = func(_ time.Duration, f func()) { b.timers = append(b.timers, f) }
	c.Lease = func(r *sched.Request) (sched.Lease, bool) { return nil, b.alone[r.Key] }
	c.Run = func(batch *sched.Batch) {
		b.begun <- batch
		<-b.end
		for _, g := range batch.Groups {
			for _, in := range g.Inputs {
				b.Finish(in, nil)
			}
		}
	}
	b.Scheduler = sched.New(c)
	t.Cleanup(b.close)
	return b
}

// close lets all batches end, and fails the test if the scheduler still holds anything.
func (b *bench) close() {
	close(b.end)
	b.release()
	b.wg.Wait()
	n := b.Counters()
	queues, active, computing := b.Sizes()
	if n.Pending != 0 || n.Queued != 0 || n.Running != 0 || queues != 0 || active != 0 || computing != 0 {
		b.t.Errorf("at the end %d inputs are pending, %d queued, %d computed in %d slots; %d queues, %d active",
			n.Pending, n.Queued, computing, n.Running, queues, active)
	}
}

// hold takes n free slots, so that inputs gather.
func (b *bench) hold(n int) {
	b.t.Helper()
	for range n {
		release, ok := b.TakeSlot()
		if !ok {
			b.t.Fatal("no slot is free")
		}
		b.held = append(b.held, release)
	}
}

// release gives back the slots that hold took.
func (b *bench) release() {
	for _, release := range b.held {
		release()
	}
	b.held = nil
}

// request is a request with the channel that is closed when it is done.
type request struct {
	*sched.Request
	done <-chan struct{}
}

// enqueue admits and enqueues a request.
func (b *bench) enqueue(r *sched.Request) (request, error) {
	if err := b.Admit(r); err != nil {
		return request{}, err
	}
	return request{r, b.Enqueue(r, 0, len(r.Inputs))}, nil
}

// request enqueues a request of n inputs.
func (b *bench) request(key any, n int) (request, error) {
	return b.enqueue(sched.NewRequest(key, &b.class, n))
}

func (b *bench) mustRequest(key any, n int) request {
	b.t.Helper()
	r, err := b.request(key, n)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// step waits for a batch to begin, lets it end, and returns its inputs by key.
func (b *bench) step() map[any]int {
	batch := <-b.begun
	b.end <- struct{}{}
	return inputs(batch)
}

// inputs counts the inputs of a batch by key.
func inputs(b *sched.Batch) map[any]int {
	n := map[any]int{}
	for _, g := range b.Groups {
		n[g.Inputs[0].Request.Key] += len(g.Inputs)
	}
	return n
}

// drain steps until nothing waits.
func (b *bench) drain() {
	for b.Counters().Queued > 0 {
		b.step()
	}
}

// awaitRunning waits until n slots are in use.
func (b *bench) awaitRunning(n int64) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); b.Counters().Running != n; goruntime.Gosched() {
		if time.Now().After(end) {
			b.t.Fatalf("%d slots are in use, not %d", b.Counters().Running, n)
		}
	}
}

// TestHotQueueDoesNotStarveOthers floods one queue, and keeps it flooded, while some others
// have one input each.
func TestHotQueueDoesNotStarveOthers(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%t", separate), func(t *testing.T) {
			const cold, maxBatch = 30, 8
			b := newBench(t, sched.Config{Slots: 1, MaxBatch: maxBatch, Separate: separate, MaxQueue: 1 << 20})
			b.hold(1)
			b.mustRequest("hot", 1000)
			for i := range cold {
				b.mustRequest(i, 1)
			}
			b.release()
			bound := cold + 1
			if !separate {
				bound = (cold+maxBatch)/maxBatch + 1
			}
			served, hot := 0, 0
			for range bound {
				for key, n := range b.step() {
					if key == "hot" {
						hot += n
						continue
					}
					served += n
				}
				b.mustRequest("hot", maxBatch)
			}
			if served != cold || hot == 0 {
				t.Errorf("%d batches took %d of %d others, and %d inputs of the hot queue", bound, served, cold, hot)
			}
			b.drain()
		})
	}
}

func TestQueuesShareByWhatWaits(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1, MaxBatch: 8, MaxQueue: 1 << 20})
	b.hold(1)
	b.mustRequest("three", 300)
	b.mustRequest("one", 100)
	b.release()
	got := map[any]int{}
	for range 40 {
		for key, n := range b.step() {
			got[key] += n
		}
	}
	if got["three"] < 230 || got["one"] < 70 || got["three"]+got["one"] != 320 {
		t.Errorf("of 300 and 100 inputs that wait, 320 were taken as %v", got)
	}
	b.drain()
}

func TestFreeSlotTakesWhatWaits(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 2, MaxBatch: 8})
	b.mustRequest("a", 1)
	b.mustRequest("b", 1)
	if first, second := <-b.begun, <-b.begun; first.Size != 1 || second.Size != 1 {
		t.Errorf("batches of %d and %d", first.Size, second.Size)
	}
	for range 5 {
		b.mustRequest("a", 1)
		b.mustRequest("b", 1)
	}
	b.end <- struct{}{} // one slot is free
	if batch := <-b.begun; batch.Size != 8 || len(batch.Groups) != 2 {
		t.Errorf("of ten inputs that waited a batch took %d, of %d keys", batch.Size, len(batch.Groups))
	}
}

func TestBatchIsOfOneClass(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1, MaxBatch: 8})
	b.hold(1)
	b.mustRequest("a", 1)
	if _, err := b.enqueue(sched.NewRequest("other", &sched.Class{}, 1)); err != nil {
		t.Fatal(err)
	}
	b.mustRequest("b", 1)
	b.release()
	if first := b.step(); first["a"] != 1 || first["b"] != 1 || first["other"] != 0 {
		t.Errorf("the first batch has %v", first)
	}
	if second := b.step(); second["other"] != 1 {
		t.Errorf("the second batch has %v", second)
	}
}

func TestInputsThatMustBeAlone(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1, MaxBatch: 8})
	b.alone["solo"] = true
	b.hold(1)
	b.mustRequest("a", 1)
	b.mustRequest("solo", 3)
	b.mustRequest("b", 1)
	b.release()
	if first := b.step(); first["a"] != 1 || first["b"] != 1 || first["solo"] != 0 {
		t.Errorf("the first batch has %v", first)
	}
	if second := b.step(); second["solo"] != 3 {
		t.Errorf("the second batch has %v", second)
	}
}

// lease counts how often it is released.
type lease struct{ released int }

func (l *lease) Release() { l.released++ }

// TestLeases leases for two groups, one of which has only inputs that are too late.
func TestLeases(t *testing.T) {
	leases := map[any]*lease{"a": {}, "b": {}}
	now := time.Unix(1, 0)
	batches := make(chan *sched.Batch)
	s := sched.New(sched.Config{Slots: 1, MaxBatch: 8, MaxQueue: 8,
		Now:   func() time.Time { return now },
		Run:   func(b *sched.Batch) { batches <- b },
		Lease: func(r *sched.Request) (sched.Lease, bool) { return leases[r.Key], false },
	})
	release, _ := s.TakeSlot()
	var class sched.Class
	for key := range leases {
		r := sched.NewRequest(key, &class, 1)
		if key == "a" {
			r.Deadline = now.Add(time.Second)
		}
		if err := s.Admit(r); err != nil {
			t.Fatal(err)
		}
		s.Enqueue(r, 0, 1)
	}
	now = now.Add(time.Minute)
	release()
	b := <-batches
	if len(b.Groups) != 1 || b.Groups[0].Lease != leases["b"] {
		t.Errorf("a batch of the groups %+v", b.Groups)
	}
	if leases["a"].released != 1 || leases["b"].released != 0 {
		t.Errorf("the unused lease was released %d times, the used one %d times", leases["a"].released, leases["b"].released)
	}
}

func TestAbandonedRequestIsNotPending(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1, MaxBatch: 2})
	first := b.mustRequest("a", 1)
	<-b.begun
	second, third := b.mustRequest("a", 3), b.mustRequest("a", 1)
	if n := b.Counters(); n.Pending != 4 || n.Queued != 4 {
		t.Fatalf("%d inputs are pending, %d queued", n.Pending, n.Queued)
	}
	b.Abandon(second.Request, context.Canceled)
	if n := b.Counters(); n.Pending != 1 || n.Queued != 1 || n.Canceled != 1 {
		t.Errorf("after one of two requests was abandoned, %d inputs are pending, %d queued; %d are counted", n.Pending, n.Queued, n.Canceled)
	}
	b.Abandon(first.Request, context.Canceled) // while it is computed
	b.end <- struct{}{}
	if batch := <-b.begun; batch.Size != 1 || batch.Groups[0].Inputs[0].Request != third.Request {
		t.Error("the next batch is not the input that is left")
	}
	b.end <- struct{}{}
	<-third.done
	if err := b.Err(third.Request); err != nil {
		t.Error(err)
	}
}

func TestFirstErrorFailsARequest(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1, MaxBatch: 2})
	r := b.mustRequest("a", 5)
	batch := <-b.begun
	broken := errors.New("broken")
	b.Finish(batch.Groups[0].Inputs[0], broken)
	<-r.done
	if n, err := b.Counters(), b.Err(r.Request); err != broken || n.Pending != 0 || n.Queued != 0 {
		t.Errorf("%v; %d inputs are pending, %d queued", err, n.Pending, n.Queued)
	}
}

func TestMaxDelayFillsABatchWhileAnotherIsComputed(t *testing.T) {
	const delay = 10 * time.Millisecond
	b := newBench(t, sched.Config{Slots: 2, MaxBatch: 4, MaxDelay: delay})
	b.mustRequest("a", 1)
	if batch := <-b.begun; batch.Size != 1 { // nothing is computed: it does not wait
		t.Errorf("%d inputs", batch.Size)
	}
	b.mustRequest("a", 1)
	b.mustRequest("a", 1)
	if n := b.Counters(); n.Running != 1 || len(b.timers) != 1 || n.Queued != 2 {
		t.Errorf("%d slots are in use, %d timers set, %d inputs queued", n.Running, len(b.timers), n.Queued)
	}
	b.clock = b.clock.Add(delay)
	b.timers[0]()
	if batch := <-b.begun; batch.Size != 2 {
		t.Errorf("after the delay a batch took %d inputs", batch.Size)
	}
	b.end <- struct{}{}
	b.awaitRunning(1)
	b.mustRequest("a", 4)
	if batch := <-b.begun; batch.Size != 4 { // full: it does not wait
		t.Errorf("%d inputs", batch.Size)
	}
}

// TestFailedRequestIsNotQueued enqueues inputs of a request that failed while they were
// prepared.
func TestFailedRequestIsNotQueued(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1})
	r := sched.NewRequest("a", &b.class, 2)
	if err := b.Admit(r); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	b.Abandon(r, broken)
	<-b.Enqueue(r, 0, 2)
	if err := b.Err(r); err != broken {
		t.Error(err)
	}
}
