package cache

import (
	"fmt"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/mem"
)

// Pool owns entries that end together. Its Weights entries lie in slabs of one size, so
// that recycling one neither fragments memory nor waits for the garbage collector. A pool
// belongs to the cache that its requests are made to.
type Pool struct {
	slabBytes int64
	retired   bool // guarded by Cache.mu: no slabs are kept for it
}

// NewPool returns a pool of slabs of the given size in bytes.
func NewPool(slabBytes int64) *Pool { return &Pool{slabBytes: slabBytes} }

// SlabBytes returns the size of a slab.
func (p *Pool) SlabBytes() int64 { return p.slabBytes }

// allocate charges a request and returns a region for it: a free slab, or a new one if
// need be after unmapping free slabs and evicting idle entries. It returns nil if nothing
// is left to evict, or, unless forced, if what is left is worth more. It is called with mu
// held.
func (c *Cache) allocate(r *Request, force bool) (*mem.Region, error) {
	for {
		if slab := c.takeFree(r); slab != nil {
			return slab, nil
		}
		if c.used+r.bytes() <= c.limit {
			return c.mapRegion(r)
		}
		if c.unmapSpare(r) {
			continue
		}
		e := c.idle.victim(r, force)
		if e == nil {
			return nil, nil
		}
		c.counts[e.Kind].Evictions++
		c.remove(e)
	}
}

// takeFree charges a request and returns a free slab of its pool, or nil.
func (c *Cache) takeFree(r *Request) *mem.Region {
	free := c.free[r.Pool]
	if !r.usesSlab() || len(free) == 0 || c.used+r.HeapBytes > c.limit {
		return nil
	}
	c.free[r.Pool] = free[:len(free)-1]
	c.charge(0, r.HeapBytes)
	return free[len(free)-1]
}

// mapRegion charges a request and returns a new region.
func (c *Cache) mapRegion(r *Request) (*mem.Region, error) {
	region, err := mem.NewRegion(int(r.regionBytes()))
	if err != nil {
		return nil, fault.Errorf(fault.Busy, "no memory for another slab: %w", err)
	}
	c.charge(r.regionBytes(), r.HeapBytes)
	return region, nil
}

func (c *Cache) charge(region, heap int64) {
	c.used += region + heap
	c.heap += heap
}

// reclaim frees the memory of an entry that is neither in entries nor leased. It is called
// with mu held.
func (c *Cache) reclaim(e *entry) {
	c.charge(0, -e.HeapBytes)
	if e.usesSlab() && !e.Pool.retired {
		c.free[e.Pool] = append(c.free[e.Pool], e.region)
	} else {
		c.unmap(e.region)
	}
	e.region, e.value = nil, nil
}

// unmapSpare unmaps a free slab that a request can't use, to make room for it: one of
// another pool, or one of several of its own. It reports whether there was one.
func (c *Cache) unmapSpare(r *Request) bool {
	for p, free := range c.free {
		spare := len(free)
		if r.usesSlab() && p == r.Pool {
			spare--
		}
		if spare > 0 {
			c.unmap(free[len(free)-1])
			c.free[p] = free[:len(free)-1]
			return true
		}
	}
	return false
}

// unmapFree unmaps the free slabs of a pool.
func (c *Cache) unmapFree(p *Pool) {
	for _, slab := range c.free[p] {
		c.unmap(slab)
	}
	delete(c.free, p)
}

func (c *Cache) unmap(region *mem.Region) {
	c.charge(-int64(region.Len()), 0)
	if err := region.Free(); err != nil {
		panic(fmt.Sprintf("unmap a region: %v", err)) // only for an address that isn't ours
	}
}
