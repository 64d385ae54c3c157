package cache

import "fmt"

// Check verifies what the budget rests on: that no more is charged than the limit, that
// the account is the sum of what is held, and that retired pools have no free slabs. It
// walks the whole cache; tests call it, and so may whoever suspects a leak.
func (c *Cache) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var used, extra int64
	count := func(r *Entry) {
		used += int64(r.slab.Len()) + r.Extra
		extra += r.Extra
	}
	for _, r := range c.held {
		count(r)
	}
	for r := range c.idle.all() {
		count(r)
	}
	for pool, free := range c.free {
		if pool.retired && len(free) > 0 {
			return fmt.Errorf("%d free slabs of a retired pool", len(free))
		}
		for _, slab := range free {
			used += int64(slab.Len())
		}
	}
	if c.used != used || c.extra != extra || c.used > c.limit {
		return fmt.Errorf("%d bytes charged, %d of them extra, with %d and %d in use and a limit of %d", c.used, c.extra, used, extra, c.limit)
	}
	return nil
}
