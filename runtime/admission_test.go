package runtime

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// busyDesk has both slots taken, rows that take 10 ms, and batches of 8: a full
// one takes 80 ms, and that is what a request may wait for: 16 rows.
func busyDesk(t *testing.T, o Options) *desk {
	o.Parallel, o.MaxBatch = 2, 8
	d := newDesk(t, o)
	d.fam.costs.row.observe(10 * time.Millisecond)
	first, second := d.occupy(), d.occupy()
	t.Cleanup(func() { first(); second() })
	return d
}

// flood asks until it is refused, and tells how many were not.
func (d *desk) flood(h *handle) (admitted int, refusal *Error) {
	for admitted < 100_000 {
		if _, err := d.ask(h, 1); err != nil {
			if !errors.As(err, &refusal) || refusal.Code != Overloaded {
				d.t.Fatal(err)
			}
			return admitted, refusal
		}
		admitted++
	}
	d.t.Fatal("nothing was refused")
	return 0, nil
}

// overload is the clock after a burst has become an overload.
func (d *desk) overload() {
	d.strained, d.burst = d.clock, d.clock
	d.clock = d.clock.Add(burst + time.Millisecond)
}

func TestWaitIsBoundedInTime(t *testing.T) {
	d := busyDesk(t, Options{})
	d.overload()
	n, refusal := d.flood(d.variant("a"))
	if n < 16 || n > 18 {
		t.Errorf("%d rows were let in where 16 are 80 ms of work", n)
	}
	if refusal.RetryAfter < 80*time.Millisecond || refusal.RetryAfter > 100*time.Millisecond {
		t.Errorf("to be tried again after %v", refusal.RetryAfter)
	}
	if d.counts.refused != 1 {
		t.Errorf("%d refusals are counted", d.counts.refused)
	}
	given := busyDesk(t, Options{MaxWait: time.Second})
	given.overload()
	if n, _ := given.flood(given.variant("a")); n < 200 || n > 210 {
		t.Errorf("%d rows were let in where 200 are a second of work", n)
	}
}

// TestFloodRefusesItsOwn has others admitted while one line is full, each as
// long as its own turn comes in time.
func TestFloodRefusesItsOwn(t *testing.T) {
	d := busyDesk(t, Options{})
	d.overload()
	hot := d.variant("hot")
	d.flood(hot)
	for i := range 4 {
		if _, err := d.ask(d.variant(fmt.Sprint("cold ", i)), 1); err != nil {
			t.Errorf("the %d. of the others is refused: %v", i+1, err)
		}
		if _, err := d.ask(hot, 1); codeOf(err) != Overloaded {
			t.Errorf("the hot one gets one more place: %v", err)
		}
	}
}

func TestBurstIsLetIn(t *testing.T) {
	d := busyDesk(t, Options{})
	a := d.variant("a")
	in, _ := d.flood(a)
	if in < 300 || in > 410 { // 2 s of work
		t.Errorf("a burst of %d was let in", in)
	}
	// What stands longer than a burst is an overload: nothing more is let in, and
	// what has waited for too long is refused at its turn.
	for range 2 {
		d.clock = d.clock.Add(burst + 30*time.Millisecond)
		if _, err := d.ask(a, 1); codeOf(err) != Overloaded {
			t.Errorf("after the burst: %v", err)
		}
	}
	if b := func() *batch { d.mu.Lock(); defer d.mu.Unlock(); return d.next() }(); b != nil {
		t.Errorf("a batch took %d rows that had waited for %v", b.rows, d.clock.Sub(b.groups[0].rows[0].queued))
	}
	if d.waiting != 0 || d.places != 0 || d.counts.refused != int64(in)+3 {
		t.Errorf("%d wait, %d places, %d refused", d.waiting, d.places, d.counts.refused)
	}
	// It is over: the bound holds for a while, then a burst may come again.
	d.clock = d.clock.Add(quietTime / 2)
	if n, _ := d.flood(a); n < 16 || n > 18 {
		t.Errorf("soon after, %d were let in", n)
	}
	d.clock = d.clock.Add(quietTime + time.Millisecond)
	if n, _ := d.flood(a); n < 200 {
		t.Errorf("later, a burst of %d was let in", n)
	}
}

func TestDeadlines(t *testing.T) {
	d := busyDesk(t, Options{})
	a := d.variant("a")
	for range 10 { // 50 ms of work
		d.mustAsk(a, 1)
	}
	ask := func(in time.Duration) (*request, error) {
		r := newRequest(a, a.loaded.Load(), 1)
		r.deadline = d.clock.Add(in)
		if err := d.admit(r); err != nil {
			return r, err
		}
		d.enqueue(r, r.rows)
		return r, nil
	}
	if _, err := ask(55 * time.Millisecond); codeOf(err) != Overloaded { // 50 to wait and 10 to be answered
		t.Errorf("a deadline that can't be met: %v", err)
	}
	r, err := ask(70 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	d.clock = d.clock.Add(65 * time.Millisecond) // all took longer than it should have
	for d.waiting > 0 {
		func() { d.mu.Lock(); defer d.mu.Unlock(); d.next() }()
	}
	if err := d.outcome(r); codeOf(err) != Deadline || d.counts.late != 1 {
		t.Errorf("past its deadline: %v; %d counted", err, d.counts.late)
	}
	d.scheduler.rows = 0 // of the batches that were taken by hand
}

func TestManyRowsMayExceedTheBoundOfAnIdleQueue(t *testing.T) {
	d := busyDesk(t, Options{Queue: 100})
	a := d.variant("a")
	d.overload()
	r, err := d.ask(a, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ask(a, 1); codeOf(err) != Overloaded {
		t.Errorf("behind a thousand rows: %v", err)
	}
	d.abandon(r, context.Canceled)
}

// TestBurstThatEndsIsAnswered has nothing come after a burst.
func TestBurstThatEndsIsAnswered(t *testing.T) {
	d := busyDesk(t, Options{})
	in, _ := d.flood(d.variant("a"))
	d.clock = d.clock.Add(10 * burst)
	taken := 0
	for d.waiting > 0 {
		func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			b := d.next()
			taken += b.rows
			d.scheduler.rows -= b.rows
		}()
	}
	if taken != in {
		t.Errorf("of a burst of %d, %d were taken", in, taken)
	}
}

// TestIdleAnswersWhateverItMeasured has a cost that was measured far too high.
func TestIdleAnswersWhateverItMeasured(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1})
	d.fam.costs.row.observe(time.Hour)
	a := d.variant("a")
	r := newRequest(a, a.loaded.Load(), 1)
	r.deadline = d.clock.Add(time.Second)
	if err := d.admit(r); err != nil {
		t.Fatal(err)
	}
	d.enqueue(r, r.rows)
	<-d.taken
	late := newRequest(a, a.loaded.Load(), 1)
	late.deadline = d.clock.Add(time.Second)
	if err := d.admit(late); codeOf(err) != Overloaded {
		t.Errorf("behind what takes an hour: %v", err)
	}
}

// TestBatchesOfLongRowsAreShort has rows so long that a pass shares little among
// them: no batch is then larger than batchTime wants, and a few rows' time may be
// waited for, less where many slots free one soon.
func TestBatchesOfLongRowsAreShort(t *testing.T) {
	for _, c := range []struct {
		slots  int
		row    time.Duration
		batch  int
		target time.Duration
	}{
		{2, time.Millisecond, 8, leastWait},
		{2, 20 * time.Millisecond, 5, 100 * time.Millisecond},
		{2, 80 * time.Millisecond, 1, 240 * time.Millisecond},
		{2, time.Second, 1, 3 * time.Second},
		{1, time.Second, 1, 5 * time.Second},
		{16, time.Second, 1, 1250 * time.Millisecond},
		{16, 20 * time.Millisecond, 5, 100 * time.Millisecond},
	} {
		d := newDesk(t, Options{Parallel: c.slots, MaxBatch: 8})
		d.fam.costs.row.observe(c.row)
		if n := d.batchOf(d.fam); n != c.batch {
			t.Errorf("%d slots, rows of %v: batches of %d, want %d", c.slots, c.row, n, c.batch)
		}
		if got := d.target(d.fam); got != c.target {
			t.Errorf("%d slots, rows of %v may wait for %v, want %v", c.slots, c.row, got, c.target)
		}
	}
}
