package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"eigenserve/store"
)

// desk is a scheduler whose batches the test computes, by a clock of its own.
type desk struct {
	*scheduler
	t      *testing.T
	inside sync.WaitGroup
	clock  time.Time
	timers []func()
	taken  chan *batch   // as they begin
	end    chan struct{} // one for each batch that may end
	alone  map[*loaded]bool
	fam    *servedFamily
}

func newDesk(t *testing.T, o Options) *desk {
	d := &desk{t: t, clock: time.Unix(1, 0), taken: make(chan *batch, 1000), end: make(chan struct{}, 1000), alone: map[*loaded]bool{}, fam: &servedFamily{}}
	d.scheduler = newScheduler(o.withDefaults(), &d.inside)
	d.now = func() time.Time { return d.clock }
	d.after = func(_ time.Duration, f func()) { d.timers = append(d.timers, f) }
	d.weights = func(l *loaded) (*lease, bool) { return nil, d.alone[l] }
	d.run = func(b *batch) {
		d.taken <- b
		<-d.end
		for _, g := range b.groups {
			for _, x := range g.rows {
				d.finish(x, nil)
			}
		}
	}
	t.Cleanup(func() {
		close(d.end)
		d.inside.Wait()
		if d.waiting != 0 || d.places != 0 || len(d.lines) != 0 || len(d.turns) != 0 || d.running != 0 || d.scheduler.rows != 0 {
			t.Errorf("at the end %d rows wait at %d places of %d lines, %d of them in turn; %d slots with %d rows", d.waiting, d.places, len(d.lines), len(d.turns), d.running, d.scheduler.rows)
		}
	})
	return d
}

// variant is a line's, by name.
func (d *desk) variant(name string) *handle {
	h := newHandle(store.Entry{Name: name})
	h.loaded.Store(&loaded{family: d.fam})
	return h
}

// ask lets so many rows of one request wait.
func (d *desk) ask(h *handle, rows int) (*request, error) {
	r := newRequest(h, h.loaded.Load(), rows)
	if err := d.admit(r); err != nil {
		return r, err
	}
	d.enqueue(r, r.rows)
	return r, nil
}

func (d *desk) mustAsk(h *handle, rows int) *request {
	d.t.Helper()
	r, err := d.ask(h, rows)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// step waits for a batch to begin, lets it end, and tells how many rows of each
// variant it had.
func (d *desk) step() map[string]int {
	b := <-d.taken
	d.end <- struct{}{}
	rows := map[string]int{}
	for _, g := range b.groups {
		rows[g.h.entry.Name] += len(g.rows)
	}
	return rows
}

// TestHotLineDoesNotStarveOthers floods one line, and keeps it flooded, while
// each of some others has one row.
func TestHotLineDoesNotStarveOthers(t *testing.T) {
	for _, mixed := range []bool{true, false} {
		t.Run(fmt.Sprintf("mixed=%t", mixed), func(t *testing.T) {
			const cold, most = 30, 8
			d := newDesk(t, Options{Parallel: 1, MaxBatch: most, NotMixed: !mixed, Queue: 1 << 20})
			hot := d.variant("hot")
			giveBack := d.occupy()
			d.mustAsk(hot, 1000)
			for i := range cold {
				d.mustAsk(d.variant(fmt.Sprint("cold ", i)), 1)
			}
			giveBack()
			bound := cold + 1
			if mixed {
				bound = (cold+most)/most + 1
			}
			served, ofHot := 0, 0
			for range bound {
				for name, n := range d.step() {
					if name == "hot" {
						ofHot += n
						continue
					}
					served += n
				}
				d.mustAsk(hot, most)
			}
			if served != cold || ofHot == 0 {
				t.Errorf("after %d batches %d of %d others had been served, and %d rows of the hot one", bound, served, cold, ofHot)
			}
			for d.waitingNow() > 0 {
				d.step()
			}
		})
	}
}

func (s *scheduler) waitingNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func TestLinesGetByWhatWaits(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1, MaxBatch: 8, Queue: 1 << 20})
	giveBack := d.occupy()
	d.mustAsk(d.variant("three"), 300)
	d.mustAsk(d.variant("one"), 100)
	giveBack()
	got := map[string]int{}
	for range 40 {
		for name, n := range d.step() {
			got[name] += n
		}
	}
	if got["three"] < 230 || got["one"] < 70 || got["three"]+got["one"] != 320 {
		t.Errorf("of 300 and 100 rows that wait, 320 were taken as %v", got)
	}
	for d.waitingNow() > 0 {
		d.step()
	}
}

func TestIdleSlotTakesWhatComes(t *testing.T) {
	d := newDesk(t, Options{Parallel: 2, MaxBatch: 8})
	a, b := d.variant("a"), d.variant("b")
	d.mustAsk(a, 1)
	d.mustAsk(b, 1)
	if first, second := <-d.taken, <-d.taken; first.rows != 1 || second.rows != 1 {
		t.Errorf("batches of %d and %d", first.rows, second.rows)
	}
	for range 5 {
		d.mustAsk(a, 1)
		d.mustAsk(b, 1)
	}
	d.end <- struct{}{} // one slot is free
	if b := <-d.taken; b.rows != 8 || len(b.groups) != 2 {
		t.Errorf("of ten rows that waited a batch took %d, of %d variants", b.rows, len(b.groups))
	}
}

func TestBatchIsOfOneFamily(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1, MaxBatch: 8})
	a, b, other := d.variant("a"), d.variant("b"), d.variant("other")
	other.loaded.Store(&loaded{family: &servedFamily{}})
	giveBack := d.occupy()
	for _, h := range []*handle{a, other, b} {
		d.mustAsk(h, 1)
	}
	giveBack()
	if first := d.step(); first["a"] != 1 || first["b"] != 1 || first["other"] != 0 {
		t.Errorf("the first batch has %v", first)
	}
	if second := d.step(); second["other"] != 1 {
		t.Errorf("the second has %v", second)
	}
}

func TestWhatMustBeRebuiltIsAlone(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1, MaxBatch: 8})
	a, solo, b := d.variant("a"), d.variant("solo"), d.variant("b")
	d.alone[solo.loaded.Load()] = true
	giveBack := d.occupy()
	d.mustAsk(a, 1)
	d.mustAsk(solo, 3)
	d.mustAsk(b, 1)
	giveBack()
	if first := d.step(); first["a"] != 1 || first["b"] != 1 || first["solo"] != 0 {
		t.Errorf("the first batch has %v", first)
	}
	if second := d.step(); second["solo"] != 3 {
		t.Errorf("the second has %v", second)
	}
}

func TestGivingUpFreesThePlaces(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1, MaxBatch: 2})
	a := d.variant("a")
	first := d.mustAsk(a, 1)
	<-d.taken
	second, third := d.mustAsk(a, 3), d.mustAsk(a, 1)
	if d.places != 4 || d.waiting != 4 {
		t.Fatalf("%d places, %d wait", d.places, d.waiting)
	}
	d.abandon(second, context.Canceled)
	if d.places != 1 || d.waiting != 1 || d.counts.gone != 1 {
		t.Errorf("after one of two had gone %d places are taken, %d wait, %d are counted", d.places, d.waiting, d.counts.gone)
	}
	d.abandon(first, context.Canceled) // while it is computed
	d.end <- struct{}{}
	if b := <-d.taken; b.rows != 1 || b.groups[0].rows[0].of != third {
		t.Error("the next batch is not the row that was left")
	}
	d.end <- struct{}{}
	<-third.done
	if err := d.outcome(third); err != nil {
		t.Error(err)
	}
}

func TestRequestOfManyRowsFailsAsOne(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1, MaxBatch: 2})
	r := d.mustAsk(d.variant("a"), 5)
	b := <-d.taken
	broken := errors.New("broken")
	d.finish(b.groups[0].rows[0], broken)
	<-r.done
	if err := d.outcome(r); err != broken || d.places != 0 || d.waiting != 0 {
		t.Errorf("%v; %d places, %d wait", err, d.places, d.waiting)
	}
}

func TestDelayFillsABatchWhileAnotherIsComputed(t *testing.T) {
	d := newDesk(t, Options{Parallel: 2, MaxBatch: 4, MaxDelay: time.Second})
	a := d.variant("a")
	d.mustAsk(a, 1)
	if b := <-d.taken; b.rows != 1 { // nothing is computed: it does not wait
		t.Errorf("%d rows", b.rows)
	}
	d.mustAsk(a, 1)
	d.mustAsk(a, 1)
	if d.running != 1 || len(d.timers) != 1 || d.waiting != 2 {
		t.Errorf("%d slots compute, %d timers, %d rows wait", d.running, len(d.timers), d.waiting)
	}
	d.clock = d.clock.Add(time.Second)
	d.timers[0]()
	if b := <-d.taken; b.rows != 2 {
		t.Errorf("when the delay was over a batch took %d rows", b.rows)
	}
	d.end <- struct{}{}
	eventually(t, "a slot is free", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.running == 1 })
	d.mustAsk(a, 4)
	if b := <-d.taken; b.rows != 4 { // full: it does not wait
		t.Errorf("%d rows", b.rows)
	}
}

// TestFailedRequestWaitsForNothing prepares rows of a request that has failed
// meanwhile.
func TestFailedRequestWaitsForNothing(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1})
	a := d.variant("a")
	r := newRequest(a, a.loaded.Load(), 2)
	if err := d.admit(r); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	d.abandon(r, broken)
	<-d.enqueue(r, r.rows)
	if err := d.outcome(r); err != broken {
		t.Error(err)
	}
}
