package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// load is one of the load's variants: which it is, and how large.
type load struct {
	id    int
	pool  *Pool
	extra int64
}

func TestBudgetHoldsUnderLoad(t *testing.T) {
	for _, name := range []Policy{LRU, TinyLFU} {
		t.Run(string(name), func(t *testing.T) {
			p, err := name.New()
			must(err)
			budgetHoldsUnderLoad(t, p)
		})
	}
}

func budgetHoldsUnderLoad(t *testing.T, p policy) {
	const goroutines, limit = 8, 6*page + 600
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	c := New(limit, goroutines, patience, p)
	small, big := NewPool(page), NewPool(2*page)
	var variants []load
	for i := range 40 {
		v := load{i, small, int64(i * 5)}
		if i%4 == 0 {
			v.pool = big
		}
		variants = append(variants, v)
	}
	var acquired, built, failed atomic.Int64
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range rounds {
				v := variants[min(r.IntN(40), r.IntN(40))] // some are asked for more often
				digest := fmt.Sprint(v.id)
				if r.IntN(20) == 0 {
					c.Drop(digest)
				}
				broken := r.IntN(50) == 0
				l, err := c.Acquire(context.Background(), Request{Digest: digest, Pool: v.pool, Extra: v.extra}, func(slab []float32) (any, error) {
					built.Add(1)
					if broken {
						panic("broken")
					}
					goruntime.Gosched()
					return mark(float32(v.id))(slab)
				})
				acquired.Add(1)
				if s := c.Stats(); s.Used > limit || s.Used < 0 {
					t.Errorf("%d bytes charged of %d", s.Used, limit)
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
	quiet(t, c)
	s := c.Stats()
	if s.Hits+s.Misses != acquired.Load() || s.Misses != built.Load() || s.Rebuilds != built.Load() {
		t.Errorf("%d acquired, %d built: %+v", acquired.Load(), built.Load(), s)
	}
	if s.Evictions == 0 || failed.Load() == 0 || failed.Load() > acquired.Load()/2 {
		t.Errorf("%d failed; not the load that it was to be: %+v", failed.Load(), s)
	}
	c.Close()
	if c.Stats().Used != 0 {
		t.Errorf("%d bytes are still charged after close", c.Stats().Used)
	}
}

// verify reads a leased slab from end to end, twice: it is the variant's own,
// and stays so.
func (v load) verify(t *testing.T, l *Lease) {
	slab := l.Value().([]float32)
	if int64(len(slab))*4 != v.pool.bytes {
		t.Errorf("variant %d leased %d bytes, not %d", v.id, 4*len(slab), v.pool.bytes)
	}
	for range 2 {
		for _, x := range slab {
			if x != float32(v.id) {
				t.Errorf("variant %d reads %g", v.id, x)
				return
			}
		}
		goruntime.Gosched()
	}
}
