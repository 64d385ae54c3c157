package cache

import (
	"fmt"
	"slices"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/mem"
)

// Pool is one family's kind of slab.
type Pool struct {
	bytes   int64
	retired bool  // the family is gone: free slabs are unmapped. Guarded by Cache.mu
	of      *Pool // the family's own, of a single slab for something else of it; or nil
	single  bool  // of one entry alone, with which it goes
}

// NewPool makes a pool of slabs of so many bytes.
func NewPool(bytes int64) *Pool { return &Pool{bytes: bytes} }

// Single makes a pool of one slab, for something else of the same family.
func (p *Pool) Single(bytes int64) *Pool { return &Pool{bytes: bytes, single: true, of: p} }

// SlabBytes is the size of a slab.
func (p *Pool) SlabBytes() int64 { return p.bytes }

// Retire unmaps a pool's free slabs and all that lies idle of its family, and the
// rest each with its last lease. Idle may still be what a request made that came
// before its variant was replaced, and nobody else would ever ask for: it would
// keep the family's memory.
func (c *Cache) Retire(pool *Pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pool.retired = true
	for _, r := range slices.Collect(c.idle.all()) {
		if r.Pool.gone() {
			c.idle.leave(r.key())
			c.giveBack(r)
		}
	}
	for _, slab := range c.free[pool] {
		c.unmap(slab)
	}
	delete(c.free, pool)
	c.wake()
}

// take finds a slab for what is Request: a free one, a new one, or that of the
// idle entry which is to go first. It gives nil when all are leased, or what would
// go is worth more and nothing forces it. The caller holds mu.
func (c *Cache) take(w *Request, force bool) (*mem.Region, error) {
	pool, extra := w.Pool, w.Extra
	for {
		if free := c.free[pool]; len(free) > 0 && c.used+extra <= c.limit {
			slab := free[len(free)-1]
			c.free[pool] = free[:len(free)-1]
			c.charge(0, extra)
			return slab, nil
		}
		if c.used+pool.bytes+extra <= c.limit {
			slab, err := mem.NewRegion(int(pool.bytes))
			if err != nil {
				return nil, fault.Errorf(fault.Busy, "no memory for another slab: %w", err)
			}
			c.charge(pool.bytes, extra)
			return slab, nil
		}
		if c.unmapSpare(pool) {
			continue
		}
		r := c.idle.victim(w, force)
		if r == nil {
			return nil, nil
		}
		c.idle.leave(r.key())
		if !r.Cores {
			c.evictions++
		}
		c.giveBack(r)
	}
}

func (c *Cache) charge(slab, extra int64) {
	c.used += slab + extra
	c.extra += extra
}

// unmapSpare unmaps a free slab that pool does not need, so that it can use the
// bytes: one of another pool, or one of its own beside another.
func (c *Cache) unmapSpare(pool *Pool) bool {
	for p, free := range c.free {
		if len(free) == 0 || p == pool && len(free) == 1 {
			continue
		}
		c.unmap(free[len(free)-1])
		c.free[p] = free[:len(free)-1]
		return true
	}
	return false
}

func (c *Cache) unmap(slab *mem.Region) {
	c.used -= int64(slab.Len())
	if err := slab.Free(); err != nil {
		panic(fmt.Sprintf("unmap a slab: %v", err)) // the address was ours
	}
}

// giveBack makes an entry's slab free. The caller holds mu and has taken the
// entry out of held and idle.
func (c *Cache) giveBack(r *Entry) {
	c.used -= r.Extra
	c.extra -= r.Extra
	if r.Pool.gone() || r.Pool.single {
		c.unmap(r.slab)
	} else {
		c.free[r.Pool] = append(c.free[r.Pool], r.slab)
	}
	r.slab, r.value = nil, nil
}

// gone tells whether the pool's family is. The caller holds the cache's mu.
func (p *Pool) gone() bool { return p.retired || p.of != nil && p.of.retired }
