package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// page is the size of the tests' slabs in bytes.
const page = 4096

// patience is longer than any test waits for what is to come.
const patience = time.Minute

// smallCache holds so many slabs of one pool.
func smallCache(t *testing.T, slabs, waiting int, patience time.Duration) (*weightCache, *slabPool) {
	t.Helper()
	c := newWeightCache(int64(slabs)*page, waiting, patience, lruPolicy{newIdleList()})
	t.Cleanup(c.close)
	return c, &slabPool{bytes: page}
}

// mark is a build that fills the slab with one number.
func mark(x float32) func([]float32) (any, error) {
	return func(slab []float32) (any, error) {
		for i := range slab {
			slab[i] = x
		}
		return slab, nil
	}
}

func take(t *testing.T, c *weightCache, pool *slabPool, digest string, build func([]float32) (any, error)) *lease {
	t.Helper()
	l, err := c.acquire(context.Background(), wanted{digest: digest, pool: pool}, build)
	if err != nil {
		t.Fatalf("acquire %s: %v", digest, err)
	}
	return l
}

// eventually waits for what other goroutines are about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// quiet fails unless no lease is out, nobody waits and the account is the sum
// of what is mapped. A batch's leases end just after its rows are answered.
func quiet(t *testing.T, c *weightCache) {
	t.Helper()
	// What a lease leaves behind is unmapped, and no longer charged, a moment after
	// the lease has ended.
	eventually(t, "the leases end and the account is what there is", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		var mapped, extra int64
		for r := range c.idle.all() {
			mapped += r.slab.bytes() + r.extra
			extra += r.extra
		}
		for _, free := range c.free {
			for _, slab := range free {
				mapped += slab.bytes()
			}
		}
		return len(c.held) == 0 && c.waiters == 0 && c.used == mapped && c.extra == extra && c.used <= c.limit
	})
}

func TestConcurrentMissesBuildOnce(t *testing.T) {
	c, pool := smallCache(t, 2, 8, patience)
	const callers = 16
	begin := make(chan struct{})
	var builds atomic.Int32
	build := func(slab []float32) (any, error) {
		builds.Add(1)
		<-begin
		return mark(7)(slab)
	}
	var built atomic.Int32
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			l, err := c.acquire(context.Background(), wanted{digest: "a", pool: pool}, build)
			if err != nil {
				t.Error(err)
				return
			}
			if l.rebuilt {
				built.Add(1)
			}
			if x := l.value().([]float32)[page/4-1]; x != 7 {
				t.Errorf("leased a slab that holds %g", x)
			}
			l.release()
		})
	}
	eventually(t, "all but one wait for the build", func() bool { return c.stats().hits == callers-1 })
	close(begin)
	all.Wait()
	s := c.stats()
	if builds.Load() != 1 || built.Load() != 1 || s.rebuilds != 1 || s.misses != 1 || s.used != page {
		t.Errorf("%d builds, %d leases say that they built; %+v", builds.Load(), built.Load(), s)
	}
	quiet(t, c)
}

func TestFailedBuildTellsAllWhoWait(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fail func() (any, error)
		is   func(error) bool
	}{
		"an error": {func() (any, error) { return nil, broken }, func(err error) bool { return errors.Is(err, broken) }},
		"a panic": {func() (any, error) { panic("broken") }, func(err error) bool {
			return codeOf(err) == Internal && strings.Contains(err.Error(), "panic: broken")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cache, pool := smallCache(t, 1, 8, patience)
			const callers = 8
			begin := make(chan struct{})
			var told atomic.Int32
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					_, err := cache.acquire(context.Background(), wanted{digest: "a", pool: pool}, func([]float32) (any, error) { <-begin; return c.fail() })
					if c.is(err) {
						told.Add(1)
					}
				})
			}
			eventually(t, "all but one wait for the build", func() bool { return cache.stats().hits == callers-1 })
			close(begin)
			all.Wait()
			if told.Load() != callers {
				t.Errorf("%d of %d were told", told.Load(), callers)
			}
			// The slab is free again, and the failure is not kept.
			take(t, cache, pool, "b", mark(1)).release()
			take(t, cache, pool, "a", mark(1)).release()
			quiet(t, cache)
		})
	}
}

func TestDroppedWhileLeased(t *testing.T) {
	c, pool := smallCache(t, 2, 8, patience)
	old := take(t, c, pool, "a", mark(1))
	c.drop("a")
	if c.resides("a") {
		t.Error("a dropped entry is found")
	}
	if c.stats().used != page {
		t.Errorf("%d bytes charged while the dropped entry is leased", c.stats().used)
	}
	anew := take(t, c, pool, "a", mark(2))
	if !anew.rebuilt || &old.value().([]float32)[0] == &anew.value().([]float32)[0] {
		t.Error("a dropped entry was leased again")
	}
	if x := old.value().([]float32)[0]; x != 1 {
		t.Errorf("the old lease reads %g", x)
	}
	if c.stats().used != 2*page {
		t.Errorf("%d bytes charged for two slabs", c.stats().used)
	}
	old.release()
	if l := take(t, c, pool, "a", mark(3)); l.rebuilt {
		t.Error("the old lease's end took the new entry along")
	} else {
		l.release()
	}
	take(t, c, pool, "b", mark(4)).release() // in the old one's slab
	if s := c.stats(); s.used != 2*page || s.evictions != 0 {
		t.Errorf("the dropped entry's slab was not used again: %+v", s)
	}
	anew.release()
	quiet(t, c)
}

func TestDroppedWhileBuilding(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%t", fails), func(t *testing.T) {
			c, pool := smallCache(t, 2, 8, patience)
			building, begin := make(chan struct{}), make(chan struct{})
			var first sync.WaitGroup
			first.Go(func() {
				l, err := c.acquire(context.Background(), wanted{digest: "a", pool: pool}, func(slab []float32) (any, error) {
					close(building)
					<-begin
					if fails {
						return nil, errors.New("broken")
					}
					return mark(1)(slab)
				})
				if (err != nil) != fails {
					t.Errorf("the first got %v", err)
				}
				if err == nil {
					l.release()
				}
			})
			<-building
			c.drop("a")
			second := take(t, c, pool, "a", mark(2))
			close(begin)
			first.Wait()
			third := take(t, c, pool, "a", mark(3))
			if third.rebuilt {
				t.Error("what became of the dropped build hid the new entry")
			}
			second.release()
			third.release()
			quiet(t, c)
		})
	}
}

func TestLeasedIsNeverEvicted(t *testing.T) {
	c, pool := smallCache(t, 2, 8, time.Millisecond)
	a, b := take(t, c, pool, "a", mark(1)), take(t, c, pool, "b", mark(2))
	if _, err := c.acquire(context.Background(), wanted{digest: "c", pool: pool}, mark(3)); codeOf(err) != Busy {
		t.Errorf("a third of two slabs: %v", err)
	}
	if x, y := a.value().([]float32)[0], b.value().([]float32)[0]; x != 1 || y != 2 {
		t.Errorf("the leases read %g and %g", x, y)
	}
	b.release()
	take(t, c, pool, "c", mark(3)).release()
	if !c.resides("a") || c.resides("b") || !c.resides("c") {
		t.Error("not the idle one was evicted")
	}
	a.release()
	quiet(t, c)
}

func TestEvictsByLastRelease(t *testing.T) {
	c, pool := smallCache(t, 3, 8, patience)
	long := take(t, c, pool, "first taken, last released", mark(1))
	take(t, c, pool, "b", mark(1)).release()
	take(t, c, pool, "c", mark(1)).release()
	take(t, c, pool, "b", mark(1)).release() // again: now after c
	long.release()
	for i, want := range []string{"c", "b", "first taken, last released"} {
		if !c.resides(want) {
			t.Fatalf("%q was evicted before its turn, %d", want, i)
		}
		take(t, c, pool, fmt.Sprint("new ", i), mark(1)).release()
		if c.resides(want) {
			t.Fatalf("%q was not evicted at its turn, %d", want, i)
		}
	}
	quiet(t, c)
}

func TestPoolsShareOneBudget(t *testing.T) {
	c, small := smallCache(t, 4, 8, patience)
	big := &slabPool{bytes: 3 * page}
	for _, digest := range []string{"a", "b", "c", "d"} {
		take(t, c, small, digest, mark(1)).release()
	}
	take(t, c, big, "big", mark(2)).release()
	if s := c.stats(); s.used != 4*page || s.evictions != 3 || !c.resides("d") || !c.resides("big") {
		t.Errorf("three small ones should have made room: %+v", s)
	}
	take(t, c, small, "e", mark(1)).release()
	if s := c.stats(); s.used > 4*page || c.resides("d") {
		t.Errorf("the oldest idle one should have gone: %+v", s)
	}
	take(t, c, small, "f", mark(1)).release()
	if s := c.stats(); s.used > 4*page || c.resides("big") || !c.resides("e") {
		t.Errorf("the big one should have gone: %+v", s)
	}
	quiet(t, c)
}

func TestExtraBytesAreCharged(t *testing.T) {
	c := newWeightCache(2*page+100, 8, time.Millisecond, lruPolicy{newIdleList()})
	defer c.close()
	pool := &slabPool{bytes: page}
	get := func(digest string, extra int64) (*lease, error) {
		return c.acquire(context.Background(), wanted{digest: digest, pool: pool, extra: extra}, mark(1))
	}
	a, err := get("a", 60)
	if err != nil || c.stats().used != page+60 {
		t.Fatalf("%v, %+v", err, c.stats())
	}
	if _, err := get("b", 60); codeOf(err) != Busy {
		t.Errorf("two heads of 60 in 100 bytes: %v", err)
	}
	if _, err := get("huge", 2*page); codeOf(err) != Busy {
		t.Errorf("more than the whole budget: %v", err)
	}
	b, err := get("b", 40)
	if err != nil || c.stats().used != 2*page+100 {
		t.Fatalf("%v, %+v", err, c.stats())
	}
	a.release()
	b.release()
	quiet(t, c)
}

func TestWaitingIsBounded(t *testing.T) {
	c, pool := smallCache(t, 1, 1, patience)
	a := take(t, c, pool, "a", mark(1))
	var waits sync.WaitGroup
	waits.Go(func() {
		l, err := c.acquire(context.Background(), wanted{digest: "b", pool: pool}, mark(2))
		if err != nil {
			t.Error(err)
			return
		}
		l.release()
	})
	eventually(t, "one waits", func() bool { return c.stats().waiters == 1 })
	if _, err := c.acquire(context.Background(), wanted{digest: "c", pool: pool}, mark(3)); codeOf(err) != Busy {
		t.Errorf("the second to wait: %v", err)
	}
	a.release()
	waits.Wait()
	quiet(t, c)
}

func TestWaitingEnds(t *testing.T) {
	c, pool := smallCache(t, 1, 8, time.Millisecond)
	a := take(t, c, pool, "a", mark(1))
	if _, err := c.acquire(context.Background(), wanted{digest: "b", pool: pool}, mark(2)); codeOf(err) != Busy {
		t.Errorf("past its patience: %v", err)
	}
	a.release()
	quiet(t, c)
}

func TestEveryWaiterIsServed(t *testing.T) {
	c, pool := smallCache(t, 1, 100, patience)
	first := take(t, c, pool, "first", mark(0))
	var served atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			l, err := c.acquire(context.Background(), wanted{digest: fmt.Sprint(i % 25), pool: pool}, mark(float32(i%25)))
			if err != nil {
				t.Error(err)
				return
			}
			served.Add(1)
			l.release()
		})
	}
	eventually(t, "all wait", func() bool { return c.stats().waiters == 50 })
	first.release()
	all.Wait()
	if served.Load() != 50 {
		t.Errorf("%d of 50 were served", served.Load())
	}
	quiet(t, c)
}

func TestCancelLeaksNothing(t *testing.T) {
	t.Run("while waiting for a slab", func(t *testing.T) {
		c, pool := smallCache(t, 1, 8, patience)
		a := take(t, c, pool, "a", mark(1))
		ctx, cancel := context.WithCancel(context.Background())
		var waits sync.WaitGroup
		waits.Go(func() {
			if _, err := c.acquire(ctx, wanted{digest: "b", pool: pool}, mark(2)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		eventually(t, "one waits", func() bool { return c.stats().waiters == 1 })
		cancel()
		waits.Wait()
		a.release()
		quiet(t, c)
	})
	t.Run("while another builds, and while building", func(t *testing.T) {
		c, pool := smallCache(t, 1, 8, patience)
		ctx, cancel := context.WithCancel(context.Background())
		building, begin := make(chan struct{}), make(chan struct{})
		var builder, waiter sync.WaitGroup
		get := func() {
			l, err := c.acquire(ctx, wanted{digest: "a", pool: pool}, func(slab []float32) (any, error) {
				close(building)
				<-begin
				return mark(1)(slab)
			})
			switch {
			case err == nil: // the builder may well have its weights
				l.release()
			case !errors.Is(err, context.Canceled):
				t.Error(err)
			}
		}
		builder.Go(get)
		<-building
		waiter.Go(get)
		eventually(t, "the other waits", func() bool { return c.stats().hits == 1 })
		cancel()
		waiter.Wait() // does not wait for the build
		close(begin)
		builder.Wait()
		quiet(t, c)
		take(t, c, pool, "b", mark(2)).release()
	})
}

func TestCloseUnmapsAll(t *testing.T) {
	c := newWeightCache(8*page, 8, patience, lruPolicy{newIdleList()})
	small, big := &slabPool{bytes: page}, &slabPool{bytes: 2 * page}
	for i := range 3 {
		take(t, c, small, fmt.Sprint("small ", i), mark(1)).release()
	}
	take(t, c, big, "big", mark(1)).release()
	c.drop("big")
	c.close()
	if s := c.stats(); s.used != 0 || s.slabs != 0 {
		t.Errorf("after close: %+v", s)
	}
}
