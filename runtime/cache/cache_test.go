package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/fault"
)

func TestConcurrentMissesFillOnce(t *testing.T) {
	c, pool := newCache(t, 2*page, cache.LRU), cache.NewPool(page)
	const callers = 16
	begin := make(chan struct{})
	var fills, rebuilt atomic.Int32
	fill := func(region []float32) (any, error) {
		fills.Add(1)
		<-begin
		return fillWith(7)(region)
	}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			l, err := c.Acquire(context.Background(), weights("a", pool), fill)
			if err != nil {
				t.Error(err)
				return
			}
			if l.Rebuilt() {
				rebuilt.Add(1)
			}
			if x := floats(l)[page/4-1]; x != 7 {
				t.Errorf("the leased slab holds %g", x)
			}
			l.Release()
		})
	}
	eventually(t, "all but one wait for the fill", func() bool { return c.Stats().Weights.Hits == callers-1 })
	close(begin)
	all.Wait()
	s := c.Stats()
	if fills.Load() != 1 || rebuilt.Load() != 1 || s.Weights.Fills != 1 || s.Weights.Misses != 1 || s.Used != page {
		t.Errorf("%d fills, %d leases report one; %+v", fills.Load(), rebuilt.Load(), s)
	}
	checkIdle(t, c)
}

func TestFailedFillFailsAllWaiters(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		fill func() (any, error)
		want func(error) bool
	}{
		"an error": {func() (any, error) { return nil, broken }, func(err error) bool { return errors.Is(err, broken) }},
		"a panic": {func() (any, error) { panic("broken") }, func(err error) bool {
			return codeOf(err) == fault.Internal && strings.Contains(err.Error(), "panic: broken")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, pool := newCache(t, page, cache.LRU), cache.NewPool(page)
			const callers = 8
			begin := make(chan struct{})
			var failed atomic.Int32
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					_, err := c.Acquire(context.Background(), weights("a", pool), func([]float32) (any, error) { <-begin; return test.fill() })
					if test.want(err) {
						failed.Add(1)
					}
				})
			}
			eventually(t, "all but one wait for the fill", func() bool { return c.Stats().Weights.Hits == callers-1 })
			close(begin)
			all.Wait()
			if failed.Load() != callers {
				t.Errorf("%d of %d calls returned the error", failed.Load(), callers)
			}
			// The slab is free again, and the failure is not remembered.
			acquire(t, c, pool, "b", 1).Release()
			acquire(t, c, pool, "a", 1).Release()
			checkIdle(t, c)
		})
	}
}

// TestFillReturnsEachError fills three reserved entries together, one of which fails, and
// two in a fill that panics.
func TestFillReturnsEachError(t *testing.T) {
	c, pool := newCache(t, 3*page, cache.LRU), cache.NewPool(page)
	broken := errors.New("broken")
	reserve := func(keys ...string) (all []cache.Reservation) {
		for _, key := range keys {
			r, ok := c.Reserve(weights(key, pool))
			if !ok {
				t.Fatalf("no room for %s", key)
			}
			all = append(all, r)
		}
		return all
	}
	errs := c.Fill(reserve("a", "b", "c"), func([][]float32) ([]any, []error) {
		if c.Lookup(cache.Weights, "a") != nil {
			t.Error("an entry was leased while it was being filled")
		}
		return []any{1, 2, 3}, []error{nil, broken, nil}
	})
	if errs[0] != nil || !errors.Is(errs[1], broken) || errs[2] != nil {
		t.Errorf("the errors are %v", errs)
	}
	if !contains(c, "a") || contains(c, "b") || !contains(c, "c") {
		t.Error("the failed entry, and no other, should be gone")
	}
	if l := c.Lookup(cache.Weights, "c"); l == nil || l.Value() != 3 || l.Rebuilt() {
		t.Errorf("found %+v", l)
	} else {
		l.Release()
	}
	c.Drop("a")
	for i, err := range c.Fill(reserve("b", "d"), func([][]float32) ([]any, []error) { panic("broken") }) {
		if codeOf(err) != fault.Internal {
			t.Errorf("entry %d of the fill that panicked: %v", i, err)
		}
	}
	if s := c.Stats(); s.Weights.Entries != 1 || s.Weights.Fills != 5 || s.Weights.Misses != 5 {
		t.Errorf("%+v", s)
	}
	checkIdle(t, c)
}

func TestDropWhileLeased(t *testing.T) {
	c, pool := newCache(t, 2*page, cache.LRU), cache.NewPool(page)
	old := acquire(t, c, pool, "a", 1)
	c.Drop("a")
	if contains(c, "a") {
		t.Error("the dropped entry is found")
	}
	if s := c.Stats(); s.Used != page || s.Dropped != 1 {
		t.Errorf("while the dropped entry is leased: %+v", s)
	}
	again := acquire(t, c, pool, "a", 2)
	if !again.Rebuilt() || &floats(old)[0] == &floats(again)[0] {
		t.Error("the dropped entry was leased again")
	}
	if x := floats(old)[0]; x != 1 {
		t.Errorf("the old lease reads %g", x)
	}
	if used := c.Stats().Used; used != 2*page {
		t.Errorf("%d bytes are charged for two slabs", used)
	}
	must(c.Check())
	old.Release()
	if l := acquire(t, c, pool, "a", 3); l.Rebuilt() {
		t.Error("the end of the old lease removed the new entry")
	} else {
		l.Release()
	}
	acquire(t, c, pool, "b", 4).Release() // in the old entry's slab
	if s := c.Stats(); s.Used != 2*page || s.Weights.Evictions != 0 {
		t.Errorf("the dropped entry's slab was not recycled: %+v", s)
	}
	again.Release()
	checkIdle(t, c)
}

func TestDropWhileFilling(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%t", fails), func(t *testing.T) {
			c, pool := newCache(t, 2*page, cache.LRU), cache.NewPool(page)
			filling, begin := make(chan struct{}), make(chan struct{})
			var first sync.WaitGroup
			first.Go(func() {
				l, err := c.Acquire(context.Background(), weights("a", pool), func(region []float32) (any, error) {
					close(filling)
					<-begin
					if fails {
						return nil, errors.New("broken")
					}
					return fillWith(1)(region)
				})
				if (err != nil) != fails {
					t.Errorf("the first call returned %v", err)
				}
				if err == nil {
					l.Release()
				}
			})
			<-filling
			c.Drop("a")
			second := acquire(t, c, pool, "a", 2)
			close(begin)
			first.Wait()
			third := acquire(t, c, pool, "a", 3)
			if third.Rebuilt() {
				t.Error("the end of the dropped fill hid the new entry")
			}
			second.Release()
			third.Release()
			checkIdle(t, c)
		})
	}
}

func TestLeasedIsNeverEvicted(t *testing.T) {
	c := newCacheWith(t, cache.Options{Limit: 2 * page, MaxWaiters: 8, MaxWait: time.Millisecond, Policy: cache.LRU})
	pool := cache.NewPool(page)
	a, b := acquire(t, c, pool, "a", 1), acquire(t, c, pool, "b", 2)
	if _, err := c.Acquire(context.Background(), weights("c", pool), fillWith(3)); codeOf(err) != fault.Busy {
		t.Errorf("a third lease of two slabs: %v", err)
	}
	if x, y := floats(a)[0], floats(b)[0]; x != 1 || y != 2 {
		t.Errorf("the leases read %g and %g", x, y)
	}
	b.Release()
	acquire(t, c, pool, "c", 3).Release()
	if !contains(c, "a") || contains(c, "b") || !contains(c, "c") {
		t.Error("the idle entry, and no other, should have been evicted")
	}
	a.Release()
	checkIdle(t, c)
}

func TestEvictsByLastRelease(t *testing.T) {
	c, pool := newCache(t, 3*page, cache.LRU), cache.NewPool(page)
	long := acquire(t, c, pool, "acquired first, released last", 1)
	acquire(t, c, pool, "b", 1).Release()
	acquire(t, c, pool, "c", 1).Release()
	acquire(t, c, pool, "b", 1).Release() // now released after c
	long.Release()
	for i, want := range []string{"c", "b", "acquired first, released last"} {
		if !contains(c, want) {
			t.Fatalf("%q was evicted before its turn, %d", want, i)
		}
		acquire(t, c, pool, fmt.Sprint("new ", i), 1).Release()
		if contains(c, want) {
			t.Fatalf("%q was not evicted in its turn, %d", want, i)
		}
	}
	checkIdle(t, c)
}

func TestPoolsShareOneBudget(t *testing.T) {
	c, small, big := newCache(t, 4*page, cache.LRU), cache.NewPool(page), cache.NewPool(3*page)
	for _, key := range []string{"a", "b", "c", "d"} {
		acquire(t, c, small, key, 1).Release()
	}
	acquire(t, c, big, "big", 2).Release()
	if s := c.Stats(); s.Used != 4*page || s.Weights.Evictions != 3 || !contains(c, "d") || !contains(c, "big") {
		t.Errorf("three small entries should have been evicted: %+v", s)
	}
	acquire(t, c, small, "e", 1).Release()
	if s := c.Stats(); s.Used > 4*page || contains(c, "d") {
		t.Errorf("the oldest idle entry should have been evicted: %+v", s)
	}
	acquire(t, c, small, "f", 1).Release()
	if s := c.Stats(); s.Used > 4*page || contains(c, "big") || !contains(c, "e") {
		t.Errorf("the big entry should have been evicted: %+v", s)
	}
	checkIdle(t, c)
}

func TestHeapBytesAreCharged(t *testing.T) {
	c := newCacheWith(t, cache.Options{Limit: 2*page + 100, MaxWaiters: 8, MaxWait: time.Millisecond, Policy: cache.LRU})
	pool := cache.NewPool(page)
	get := func(key string, heap int64) (*cache.Lease, error) {
		return c.Acquire(context.Background(), cache.Request{Key: key, Pool: pool, HeapBytes: heap}, fillWith(1))
	}
	a, err := get("a", 60)
	if s := c.Stats(); err != nil || s.Used != page+60 || s.HeapBytes != 60 {
		t.Fatalf("%v, %+v", err, s)
	}
	if _, err := get("b", 60); codeOf(err) != fault.Busy {
		t.Errorf("two times 60 bytes in 100: %v", err)
	}
	if _, err := get("huge", 2*page); codeOf(err) != fault.Busy {
		t.Errorf("more than the whole budget: %v", err)
	}
	b, err := get("b", 40)
	if s := c.Stats(); err != nil || s.Used != 2*page+100 || s.HeapBytes != 100 {
		t.Fatalf("%v, %+v", err, s)
	}
	a.Release()
	b.Release()
	checkIdle(t, c)
}

func TestWaitersAreBounded(t *testing.T) {
	c := newCacheWith(t, cache.Options{Limit: page, MaxWaiters: 1, MaxWait: patience, Policy: cache.LRU})
	pool := cache.NewPool(page)
	a := acquire(t, c, pool, "a", 1)
	var waiter sync.WaitGroup
	waiter.Go(func() {
		l, err := c.Acquire(context.Background(), weights("b", pool), fillWith(2))
		if err != nil {
			t.Error(err)
			return
		}
		l.Release()
	})
	eventually(t, "one call waits", func() bool { return c.Stats().Waiters == 1 })
	if _, err := c.Acquire(context.Background(), weights("c", pool), fillWith(3)); codeOf(err) != fault.Busy {
		t.Errorf("the second call to wait: %v", err)
	}
	a.Release()
	waiter.Wait()
	checkIdle(t, c)
}

func TestWaitTimesOut(t *testing.T) {
	c := newCacheWith(t, cache.Options{Limit: page, MaxWaiters: 8, MaxWait: time.Millisecond, Policy: cache.LRU})
	pool := cache.NewPool(page)
	a := acquire(t, c, pool, "a", 1)
	if _, err := c.Acquire(context.Background(), weights("b", pool), fillWith(2)); codeOf(err) != fault.Busy {
		t.Errorf("after the longest wait: %v", err)
	}
	a.Release()
	checkIdle(t, c)
}

func TestEveryWaiterIsServed(t *testing.T) {
	c := newCacheWith(t, cache.Options{Limit: page, MaxWaiters: 100, MaxWait: patience, Policy: cache.LRU})
	pool := cache.NewPool(page)
	first := acquire(t, c, pool, "first", 0)
	var served atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			l, err := c.Acquire(context.Background(), weights(fmt.Sprint(i%25), pool), fillWith(float32(i%25)))
			if err != nil {
				t.Error(err)
				return
			}
			served.Add(1)
			l.Release()
		})
	}
	eventually(t, "all wait", func() bool { return c.Stats().Waiters == 50 })
	first.Release()
	all.Wait()
	if served.Load() != 50 {
		t.Errorf("%d of 50 were served", served.Load())
	}
	checkIdle(t, c)
}

func TestCancelLeaksNothing(t *testing.T) {
	t.Run("while waiting for a slab", func(t *testing.T) {
		c, pool := newCache(t, page, cache.LRU), cache.NewPool(page)
		a := acquire(t, c, pool, "a", 1)
		ctx, cancel := context.WithCancel(context.Background())
		var waiter sync.WaitGroup
		waiter.Go(func() {
			if _, err := c.Acquire(ctx, weights("b", pool), fillWith(2)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		eventually(t, "one call waits", func() bool { return c.Stats().Waiters == 1 })
		cancel()
		waiter.Wait()
		a.Release()
		checkIdle(t, c)
	})
	t.Run("while filling, and while waiting for a fill", func(t *testing.T) {
		c, pool := newCache(t, page, cache.LRU), cache.NewPool(page)
		ctx, cancel := context.WithCancel(context.Background())
		filling, begin := make(chan struct{}), make(chan struct{})
		var filler, waiter sync.WaitGroup
		get := func() {
			l, err := c.Acquire(ctx, weights("a", pool), func(region []float32) (any, error) {
				close(filling)
				<-begin
				return fillWith(1)(region)
			})
			switch {
			case err == nil: // the caller that fills may get its lease all the same
				l.Release()
			case !errors.Is(err, context.Canceled):
				t.Error(err)
			}
		}
		filler.Go(get)
		<-filling
		waiter.Go(get)
		eventually(t, "the other call waits", func() bool { return c.Stats().Weights.Hits == 1 })
		cancel()
		waiter.Wait() // not for the fill
		close(begin)
		filler.Wait()
		checkIdle(t, c)
		acquire(t, c, pool, "b", 2).Release()
	})
}

// TestRetire retires a pool with entries of both kinds, idle and leased.
func TestRetire(t *testing.T) {
	c, pool, other := newCache(t, 8*page, cache.TinyLFU), cache.NewPool(page), cache.NewPool(page)
	acquire(t, c, other, "of another pool", 1).Release()
	acquire(t, c, pool, "idle", 1).Release()
	leased := acquire(t, c, pool, "leased", 1)
	acquire(t, c, pool, "dropped", 1).Release()
	c.Drop("dropped") // leaves a free slab
	if !offer(c, cache.Request{Kind: cache.Decoded, Key: "idle", Pool: pool, Size: 100}) {
		t.Fatal("no room")
	}
	if used := c.Stats().Used; used != 4*page+100 {
		t.Fatalf("%d bytes are charged", used)
	}
	c.Retire(pool)
	if s := c.Stats(); s.Used != 2*page || s.Weights.Entries != 2 || s.Decoded.Entries != 0 || s.Weights.Evictions != 0 {
		t.Errorf("the leased entry and that of another pool should be left: %+v", s)
	}
	leased.Release()
	late := acquire(t, c, pool, "late", 1)
	late.Release()
	if !offer(c, cache.Request{Kind: cache.Decoded, Key: "late", Pool: pool, Size: 100}) {
		t.Error("a late request was refused")
	}
	if s := c.Stats(); s.Used != page || s.Weights.Entries != 1 || s.Decoded.Entries != 0 {
		t.Errorf("only the entry of another pool should be left: %+v", s)
	}
	checkIdle(t, c)
}

func TestCloseUnmapsAll(t *testing.T) {
	c, small, big := newCache(t, 8*page, cache.LRU), cache.NewPool(page), cache.NewPool(2*page)
	for i := range 3 {
		acquire(t, c, small, fmt.Sprint("small ", i), 1).Release()
	}
	acquire(t, c, big, "big", 1).Release()
	c.Drop("big")
	c.Close()
	if s := c.Stats(); s.Used != 0 || s.Weights.Entries != 0 {
		t.Errorf("after Close: %+v", s)
	}
}
