package cache

import (
	"context"
	"sync"
	"time"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/mem"
)

// Options of a cache.
type Options struct {
	Limit      int64         // the budget in bytes
	MaxWaiters int           // how many calls of Acquire may wait for room at once
	MaxWait    time.Duration // how long each of them waits at most
	Policy     Policy        // what is evicted first; TinyLFU by default
}

// Cache is a set of entries within a budget of bytes. It may be used by any number of
// goroutines.
type Cache struct {
	limit      int64
	maxWaiters int
	maxWait    time.Duration

	mu sync.Mutex // guards the fields below, and those of entries and pools that say so
	// entries holds what can be found: the entries that are being filled, leased or idle.
	entries map[id]*entry
	// dropped holds the entries that were dropped while leased: nobody finds them, and
	// their memory is in use until their last lease ends.
	dropped map[*entry]struct{}
	idle    evictor // orders the entries that nobody leases
	free    map[*Pool][]*mem.Region
	used    int64 // bytes of all regions, in use or free, and heap
	heap    int64 // HeapBytes of all entries
	// freed is closed, and replaced, when room may have become free.
	freed   chan struct{}
	waiters int
	counts  [kinds]Counts
}

// New returns an empty cache.
func New(o Options) (*Cache, error) {
	idle, err := o.Policy.evictor()
	if err != nil {
		return nil, err
	}
	return &Cache{limit: o.Limit, maxWaiters: o.MaxWaiters, maxWait: o.MaxWait, idle: idle,
		entries: map[id]*entry{}, dropped: map[*entry]struct{}{},
		free: map[*Pool][]*mem.Region{}, freed: make(chan struct{})}, nil
}

// Limit returns the budget in bytes.
func (c *Cache) Limit() int64 { return c.limit }

// Acquire leases an entry. If there is none, it makes one and has fill write its region
// and return its value. Concurrent calls for the same entry wait for that one fill and
// share its result. While every region is leased, Acquire waits for one.
func (c *Cache) Acquire(ctx context.Context, r Request, fill func(region []float32) (any, error)) (*Lease, error) {
	e, isNew, err := c.findOrAdd(ctx, &r)
	if err != nil {
		return nil, err
	}
	if isNew {
		c.fill([]*entry{e}, func(regions [][]float32) ([]any, []error) {
			value, err := fill(regions[0])
			return []any{value}, []error{err}
		})
	}
	select {
	case <-e.filled:
	case <-ctx.Done():
		c.release(e)
		return nil, ctx.Err()
	}
	if e.err != nil {
		c.release(e)
		return nil, e.err
	}
	return &Lease{c: c, e: e, rebuilt: isNew}, nil
}

// Lookup leases an entry that is in the cache and filled. Otherwise it returns nil. It
// never waits.
func (c *Cache) Lookup(kind Kind, key string) *Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[id{kind, key}]
	if e == nil || !e.isFilled() {
		return nil
	}
	c.hit(e)
	return &Lease{c: c, e: e}
}

// Contains reports whether an entry is in the cache or being filled.
func (c *Cache) Contains(kind Kind, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[id{kind, key}] != nil
}

// RecordAccess counts n requests for a key, for the policy. It doesn't matter whether the
// key has an entry.
func (c *Cache) RecordAccess(key string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		c.idle.recordAccess(key)
	}
}

// Reserve adds an entry for Fill to fill, and evicts others for it as long as the policy
// finds them worth less. It reports false if they are worth more, or if there is such an
// entry already. It never waits. What it returns must be passed to Fill.
func (c *Cache) Reserve(r Request) (Reservation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.bytes() > c.limit || c.entries[r.id()] != nil {
		return Reservation{}, false
	}
	region, err := c.allocate(&r, false)
	if err != nil || region == nil {
		return Reservation{}, false
	}
	return Reservation{c.add(&r, region, probation)}, true
}

// Fill fills reserved entries together: fill writes their regions and returns a value and
// an error for each. It returns the errors. Entries that failed are dropped.
func (c *Cache) Fill(reserved []Reservation, fill func(regions [][]float32) ([]any, []error)) []error {
	entries, errs := make([]*entry, len(reserved)), make([]error, len(reserved))
	for i, r := range reserved {
		entries[i] = r.e
	}
	c.fill(entries, fill)
	for i, e := range entries {
		errs[i] = e.err
		c.release(e)
	}
	return errs
}

// findOrAdd leases an entry, and reports whether it is new and is to be filled by the
// caller. It waits while every region is leased.
func (c *Cache) findOrAdd(ctx context.Context, r *Request) (e *entry, isNew bool, err error) {
	if r.bytes() > c.limit {
		return nil, false, fault.Errorf(fault.Busy, "the weight cache of %d bytes is smaller than the %d bytes of one model: raise --weight-cache", c.limit, r.bytes())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var timeout <-chan time.Time
	for {
		// Another call may have added the entry during the wait.
		if e := c.entries[r.id()]; e != nil {
			c.hit(e)
			return e, false, nil
		}
		if region, err := c.allocate(r, true); err != nil {
			return nil, false, err
		} else if region != nil {
			return c.add(r, region, window), true, nil
		}
		if c.waiters >= c.maxWaiters {
			return nil, false, fault.Errorf(fault.Busy, "every slab of the weight cache is in use, and %d requests are waiting already", c.waiters)
		}
		if timeout == nil {
			t := time.NewTimer(c.maxWait)
			defer t.Stop()
			timeout = t.C
		}
		if err := c.wait(ctx, timeout); err != nil {
			return nil, false, err
		}
	}
}

// add adds an entry with one lease, to be filled by the caller. It is called with mu held.
func (c *Cache) add(r *Request, region *mem.Region, s segment) *entry {
	c.counts[r.Kind].Misses++
	e := &entry{Request: *r, region: region, segment: s, filled: make(chan struct{}), leases: 1}
	c.entries[r.id()] = e
	return e
}

// hit leases an entry that was found. It is called with mu held.
func (c *Cache) hit(e *entry) {
	if e.leases == 0 {
		c.idle.hit(e)
	}
	e.leases++
	c.counts[e.Kind].Hits++
}

// wait waits until room may be free. It is called with mu held, and unlocks it meanwhile.
func (c *Cache) wait(ctx context.Context, timeout <-chan time.Time) error {
	freed := c.freed
	c.waiters++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.waiters--
	}()
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout:
		return fault.Errorf(fault.Busy, "every slab of the weight cache is in use, and none became free within %v", c.maxWait)
	}
}

// wake wakes all who wait. It is called with mu held.
func (c *Cache) wake() {
	if c.waiters > 0 {
		close(c.freed)
		c.freed = make(chan struct{})
	}
}

// fill runs a fill function for new entries. Whatever becomes of it, those who wait for
// the entries are woken.
func (c *Cache) fill(entries []*entry, fill func(regions [][]float32) (values []any, errs []error)) {
	defer c.endFill(entries)
	regions := make([][]float32, len(entries))
	for i, e := range entries {
		regions[i] = e.region.Floats()
	}
	err := fault.Catch(func() error {
		values, errs := fill(regions)
		for i, e := range entries {
			e.value, e.err = values[i], errs[i]
		}
		return nil
	})
	if err == nil {
		return
	}
	for _, e := range entries {
		e.err = fault.Errorf(fault.Internal, "fill of %s: %w", e.Key, err)
	}
}

// endFill drops the entries that failed and wakes those who wait for any.
func (c *Cache) endFill(entries []*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		c.counts[e.Kind].Fills++
		if e.err != nil {
			c.detach(e)
		}
		close(e.filled)
	}
}

// release ends one lease.
func (c *Cache) release(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.leases--; e.leases > 0 {
		return
	}
	switch {
	case e.dropped:
		delete(c.dropped, e)
		c.reclaim(e)
	case e.Pool.retired:
		delete(c.entries, e.id())
		c.reclaim(e)
	default:
		c.idle.add(e)
	}
	c.wake()
}

// Drop drops the entries of a key, of every kind: at once, or with the last lease. Later
// calls don't find them.
func (c *Cache) Drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind := range kinds {
		c.drop(id{kind, key})
	}
}

// DropKind is Drop for the entry of one kind.
func (c *Cache) DropKind(kind Kind, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(id{kind, key})
}

// drop is called with mu held.
func (c *Cache) drop(x id) {
	switch e := c.entries[x]; {
	case e == nil:
	case e.leases > 0:
		c.detach(e)
	default:
		c.remove(e)
		c.wake()
	}
}

// detach takes a leased entry out of entries, so that nobody finds it any more. Its last
// lease frees it. It is called with mu held.
func (c *Cache) detach(e *entry) {
	if e.dropped {
		return
	}
	delete(c.entries, e.id())
	e.dropped = true
	c.dropped[e] = struct{}{}
}

// remove removes an idle entry and frees its region. It is called with mu held.
func (c *Cache) remove(e *entry) {
	c.idle.remove(e)
	delete(c.entries, e.id())
	c.reclaim(e)
}

// Retire ends a pool. It unmaps its free slabs and its idle entries, the leased ones with
// their last lease, and keeps nothing that is filled for it from now on. Without it, what
// a late request added would never be asked for again and keep the pool's owner alive.
func (c *Cache) Retire(p *Pool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.retired = true
	for _, e := range c.entries {
		if e.Pool == p && e.leases == 0 {
			c.remove(e)
		}
	}
	c.unmapFree(p)
	c.wake()
}

// Close unmaps all memory. No entry may be leased.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if e.leases == 0 {
			c.remove(e)
		}
	}
	for p := range c.free {
		c.unmapFree(p)
	}
}
