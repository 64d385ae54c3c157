package sched_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/sched"
)

// measure computes one input, which takes so long. It is what all inputs are then expected
// to take.
func (b *bench) measure(took time.Duration) {
	b.t.Helper()
	b.mustRequest("measured", 1)
	<-b.begun
	b.clock = b.clock.Add(took)
	b.end <- struct{}{}
	b.awaitRunning(0)
}

// newBusyBench returns a scheduler with both slots taken, inputs that take 10 ms, and
// batches of 8. A full batch takes 80 ms, and that is what a request may wait: 16 inputs.
func newBusyBench(t *testing.T, c sched.Config) *bench {
	c.Slots, c.MaxBatch = 2, 8
	b := newBench(t, c)
	b.measure(10 * time.Millisecond)
	b.hold(2)
	return b
}

// flood requests one input at a time until one is refused, and returns how many were
// admitted before.
func (b *bench) flood(key any) (admitted int, refusal *fault.Error) {
	b.t.Helper()
	for admitted < 100_000 {
		if _, err := b.request(key, 1); err != nil {
			if !errors.As(err, &refusal) || refusal.Code != fault.Overloaded {
				b.t.Fatal(err)
			}
			return admitted, refusal
		}
		admitted++
	}
	b.t.Fatal("nothing is refused")
	return 0, nil
}

// overload has a burst, a request behind n inputs of the same key, last until it is an
// overload.
func (b *bench) overload(n int) {
	b.t.Helper()
	for _, n := range []int{n, 1} {
		r := b.mustRequest("burst", n)
		defer b.Abandon(r.Request, errAbandoned)
	}
	b.clock = b.clock.Add(sched.BurstLength + time.Millisecond)
}

var errAbandoned = errors.New("abandoned by the test")

func codeOf(err error) fault.Code {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

func TestWaitIsLimitedInTime(t *testing.T) {
	b := newBusyBench(t, sched.Config{})
	b.overload(50)
	n, refusal := b.flood("a")
	if n < 16 || n > 18 {
		t.Errorf("%d inputs are admitted where 16 are 80 ms of work", n)
	}
	if refusal.RetryAfter < 80*time.Millisecond || refusal.RetryAfter > 100*time.Millisecond {
		t.Errorf("retry after %v", refusal.RetryAfter)
	}
	if n := b.Counters(); n.Refused != 1 {
		t.Errorf("%d refusals are counted", n.Refused)
	}
	b = newBusyBench(t, sched.Config{MaxWait: time.Second})
	b.overload(300)
	if n, _ := b.flood("a"); n < 200 || n > 210 {
		t.Errorf("%d inputs are admitted where 200 are a second of work", n)
	}
}

// TestFloodedQueueRefusesItsOwn has others admitted while one queue is full, each as long
// as its own turn comes in time.
func TestFloodedQueueRefusesItsOwn(t *testing.T) {
	b := newBusyBench(t, sched.Config{})
	b.overload(50)
	b.flood("hot")
	for i := range 4 {
		if _, err := b.request(i, 1); err != nil {
			t.Errorf("other request %d is refused: %v", i, err)
		}
		if _, err := b.request("hot", 1); codeOf(err) != fault.Overloaded {
			t.Errorf("one more input of the flooded queue: %v", err)
		}
	}
}

func TestBurstIsAdmitted(t *testing.T) {
	b := newBusyBench(t, sched.Config{})
	admitted, _ := b.flood("a")
	if admitted < 300 || admitted > 410 { // 2 s of work
		t.Errorf("a burst of %d is admitted", admitted)
	}
	// A queue that stands longer than a burst is an overload: nothing more is admitted,
	// and what has waited too long is refused at its turn.
	for range 2 {
		b.clock = b.clock.Add(sched.BurstLength + 30*time.Millisecond)
		if _, err := b.request("a", 1); codeOf(err) != fault.Overloaded {
			t.Errorf("after the burst: %v", err)
		}
	}
	batches := len(b.begun)
	b.release()
	if n := b.Counters(); len(b.begun) != batches || n.Running != 0 {
		t.Error("a batch has inputs that had waited too long")
	}
	if n := b.Counters(); n.Queued != 0 || n.Pending != 0 || n.Refused != int64(admitted)+3 {
		t.Errorf("%d inputs are queued, %d pending; %d requests are refused", n.Queued, n.Pending, n.Refused)
	}
	// It is over: the limit holds for a while, then a burst may come again.
	b.hold(2)
	b.clock = b.clock.Add(sched.QuietTime / 2)
	if n, _ := b.flood("a"); n < 16 || n > 18 {
		t.Errorf("soon after, %d are admitted", n)
	}
	b.clock = b.clock.Add(sched.QuietTime + time.Millisecond)
	if n, _ := b.flood("a"); n < 200 {
		t.Errorf("later, a burst of %d is admitted", n)
	}
}

func TestDeadlines(t *testing.T) {
	b := newBusyBench(t, sched.Config{})
	for range 10 { // 50 ms of work
		b.mustRequest("a", 1)
	}
	within := func(d time.Duration) (request, error) {
		r := sched.NewRequest("a", &b.class, 1)
		r.Deadline = b.clock.Add(d)
		return b.enqueue(r)
	}
	if _, err := within(55 * time.Millisecond); codeOf(err) != fault.Overloaded { // 50 to wait and 10 to be answered
		t.Errorf("a deadline that can't be met: %v", err)
	}
	r, err := within(70 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	b.clock = b.clock.Add(65 * time.Millisecond) // all took longer than expected
	b.release()
	if n, err := b.Counters(), b.Err(r.Request); codeOf(err) != fault.Deadline || n.DeadlineExceeded != 1 || n.Queued != 0 {
		t.Errorf("past its deadline: %v; %d counted, %d queued", err, n.DeadlineExceeded, n.Queued)
	}
}

func TestEmptyQueueAdmitsARequestOverTheLimits(t *testing.T) {
	b := newBusyBench(t, sched.Config{MaxQueue: 100})
	b.overload(50)
	r, err := b.request("a", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.request("a", 1); codeOf(err) != fault.Overloaded {
		t.Errorf("behind a thousand inputs: %v", err)
	}
	b.Abandon(r.Request, context.Canceled)
}

// TestBurstThatEndsIsAnswered has no request follow a burst.
func TestBurstThatEndsIsAnswered(t *testing.T) {
	b := newBusyBench(t, sched.Config{})
	admitted, _ := b.flood("a")
	b.clock = b.clock.Add(10 * sched.BurstLength)
	b.release()
	taken := 0
	for taken < admitted {
		if n := b.Counters(); n.Refused > 1 {
			t.Fatalf("of a burst of %d, %d are refused", admitted, n.Refused-1)
		}
		for _, n := range b.step() {
			taken += n
		}
	}
	if taken != admitted {
		t.Errorf("of a burst of %d, %d are answered", admitted, taken)
	}
}

// TestIdleSchedulerAdmitsWhateverItMeasured has a cost that was measured far too high.
func TestIdleSchedulerAdmitsWhateverItMeasured(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1})
	b.measure(time.Hour)
	r := sched.NewRequest("a", &b.class, 1)
	r.Deadline = b.clock.Add(time.Second)
	if _, err := b.enqueue(r); err != nil {
		t.Fatal(err)
	}
	<-b.begun
	r = sched.NewRequest("a", &b.class, 1)
	r.Deadline = b.clock.Add(time.Second)
	if err := b.Admit(r); codeOf(err) != fault.Overloaded {
		t.Errorf("behind an input that takes an hour: %v", err)
	}
}
