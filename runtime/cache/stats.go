package cache

import "fmt"

// Counts count what happened to entries of one kind since the cache was made.
type Counts struct {
	Hits, Misses, Fills, Evictions int64
}

// KindStats describes the entries of one kind.
type KindStats struct {
	Counts
	Entries int // now, with those that are being filled
	Leased  int // of Entries
}

// Stats describes a cache at one moment.
type Stats struct {
	Used      int64 // bytes charged: regions in use or free, and HeapBytes
	HeapBytes int64 // bytes of the above on the Go heap
	Waiters   int   // calls of Acquire that wait for room
	Dropped   int   // entries that were dropped and are still leased
	Weights   KindStats
	Decoded   KindStats
}

// Stats returns the state of the cache.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	var k [kinds]KindStats
	for i := range k {
		k[i].Counts = c.counts[i]
	}
	for _, e := range c.entries {
		k[e.Kind].Entries++
		if e.leases > 0 {
			k[e.Kind].Leased++
		}
	}
	return Stats{Used: c.used, HeapBytes: c.heap, Waiters: c.waiters, Dropped: len(c.dropped),
		Weights: k[Weights], Decoded: k[Decoded]}
}

// Check verifies the account: the bytes charged are the sum of what is mapped and don't
// exceed the limit, and retired pools have no free slabs. It is meant for tests.
func (c *Cache) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var used, heap int64
	count := func(e *entry) {
		used += int64(e.region.Len()) + e.HeapBytes
		heap += e.HeapBytes
	}
	for _, e := range c.entries {
		count(e)
	}
	for e := range c.dropped {
		count(e)
	}
	for p, free := range c.free {
		if p.retired {
			return fmt.Errorf("%d free slabs of a retired pool", len(free))
		}
		for _, slab := range free {
			used += int64(slab.Len())
		}
	}
	if c.used != used || c.heap != heap || c.used > c.limit {
		return fmt.Errorf("%d bytes are charged, %d of them on the heap; found %d and %d; the limit is %d",
			c.used, c.heap, used, heap, c.limit)
	}
	return nil
}
