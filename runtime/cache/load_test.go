package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"

	"eigenserve/runtime/cache"
)

// variant is what the load asks for: a number that fills its slab, and the size.
type variant struct {
	number int
	pool   *cache.Pool
	heap   int64
}

func (v variant) request() cache.Request {
	return cache.Request{Key: fmt.Sprint(v.number), Pool: v.pool, HeapBytes: v.heap}
}

func TestBudgetHoldsUnderLoad(t *testing.T) {
	for _, p := range []cache.Policy{cache.LRU, cache.TinyLFU} {
		t.Run(string(p), func(t *testing.T) { testBudgetUnderLoad(t, p) })
	}
}

// testBudgetUnderLoad has goroutines lease, drop and break entries of two pools, more
// than fit, and checks the account all the time.
func testBudgetUnderLoad(t *testing.T, p cache.Policy) {
	const goroutines, limit = 8, 6*page + 600
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	c := newCacheWith(t, cache.Options{Limit: limit, MaxWaiters: goroutines, MaxWait: patience, Policy: p})
	small, big := cache.NewPool(page), cache.NewPool(2*page)
	var variants []variant
	for i := range 40 {
		v := variant{i, small, int64(i * 5)}
		if i%4 == 0 {
			v.pool = big
		}
		variants = append(variants, v)
	}
	var acquired, filled, failed atomic.Int64
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range rounds {
				v := variants[min(r.IntN(40), r.IntN(40))] // the first are more popular
				request := v.request()
				if r.IntN(20) == 0 {
					c.Drop(request.Key)
				}
				broken := r.IntN(50) == 0
				l, err := c.Acquire(context.Background(), request, func(region []float32) (any, error) {
					filled.Add(1)
					if broken {
						panic("broken")
					}
					goruntime.Gosched()
					return fillWith(float32(v.number))(region)
				})
				acquired.Add(1)
				if s := c.Stats(); s.Used > limit || s.Used < 0 {
					t.Errorf("%d bytes are charged of %d", s.Used, limit)
				}
				if err := c.Check(); err != nil {
					t.Error(err)
				}
				if err != nil {
					failed.Add(1)
					continue
				}
				v.verify(t, l)
				l.Release()
			}
		})
	}
	all.Wait()
	checkIdle(t, c)
	s := c.Stats().Weights
	if s.Hits+s.Misses != acquired.Load() || s.Misses != filled.Load() || s.Fills != filled.Load() {
		t.Errorf("%d acquired, %d filled: %+v", acquired.Load(), filled.Load(), s)
	}
	if s.Evictions == 0 || failed.Load() == 0 || failed.Load() > acquired.Load()/2 {
		t.Errorf("%d failed, so this was not the load it was meant to be: %+v", failed.Load(), s)
	}
	c.Close()
	if used := c.Stats().Used; used != 0 {
		t.Errorf("%d bytes are still charged after Close", used)
	}
}

// verify reads a leased slab from end to end, twice: it is the variant's and stays so.
func (v variant) verify(t *testing.T, l *cache.Lease) {
	slab := floats(l)
	if int64(len(slab))*4 != v.pool.SlabBytes() {
		t.Errorf("variant %d leased %d bytes, not %d", v.number, 4*len(slab), v.pool.SlabBytes())
	}
	for range 2 {
		for _, x := range slab {
			if x != float32(v.number) {
				t.Errorf("variant %d reads %g", v.number, x)
				return
			}
		}
		goruntime.Gosched()
	}
}
