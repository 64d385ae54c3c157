package runtime

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// weightCache holds rebuilt weights within a budget of bytes. Slabs of a pool
// are all of one size, so taking and giving back neither fragments nor waits for
// the collector. The bytes of a slab stay charged from the moment it is mapped
// until it is unmapped, and it can only be given to another variant when its
// last lease has dropped: the budget holds under any load.
//
// What is leased lies in held, what is not lies in idle, so the oldest idle one
// can be evicted without looking for it.
type weightCache struct {
	limit   int64
	waiting int           // most requests that may wait for a slab
	patient time.Duration // longest that one waits

	mu    sync.Mutex // guards all below
	held  map[string]*resident
	idle  *simplelru.LRU[string, *resident] // counts entries; its size is no limit
	used  int64                             // bytes of all mapped slabs, and of what is charged beside them
	extra int64                             // of used, what is not slabs
	free  map[*slabPool][]*region
	// freed is closed, and made anew, when a slab may have become free.
	freed   chan struct{}
	waiters int

	hits, misses, rebuilds, evictions int64
}

// resident is one variant's weights in the cache, or on their way into it.
type resident struct {
	digest string
	pool   *slabPool
	slab   *region
	extra  int64 // bytes charged beside the slab
	value  any   // what build made of the slab

	ready chan struct{} // closed when build has ended
	err   error         // of build; read after ready

	// Guarded by weightCache.mu:
	leases int
	dead   bool // dropped while leased: freed with its last lease
}

// lease keeps a resident in place until Release.
type lease struct {
	c *weightCache
	r *resident
	// rebuilt tells that this lease's taker built the weights, wait how long it
	// waited for somebody else to.
	rebuilt bool
}

func (l *lease) value() any { return l.r.value }

// release ends the lease. It must be called once.
func (l *lease) release() { l.c.release(l.r) }

func newWeightCache(limit int64, waiting int, patient time.Duration) *weightCache {
	idle, err := simplelru.NewLRU[string, *resident](int(^uint(0)>>1), nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &weightCache{limit: limit, waiting: waiting, patient: patient, idle: idle,
		held: map[string]*resident{}, free: map[*slabPool][]*region{}, freed: make(chan struct{})}
}

// acquire leases the weights of digest. On a miss it takes a slab and has build
// fill it, once for all who ask meanwhile; they wait for it. build returns what
// the lease's value is to be. extra bytes are charged with the slab.
func (c *weightCache) acquire(ctx context.Context, digest string, pool *slabPool, extra int64, build func(slab []float32) (any, error)) (*lease, error) {
	r, builder, err := c.enter(ctx, digest, pool, extra)
	if err != nil {
		return nil, err
	}
	if builder {
		c.fill(r, build)
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		c.release(r)
		return nil, ctx.Err()
	}
	if r.err != nil {
		c.release(r)
		return nil, r.err
	}
	return &lease{c: c, r: r, rebuilt: builder}, nil
}

// ready leases the weights of digest if they are rebuilt, and waits for nothing.
func (c *weightCache) ready(digest string) *lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.held[digest]; r != nil {
		select {
		case <-r.ready:
		default:
			return nil // being rebuilt
		}
	}
	if r := c.find(digest); r != nil {
		return &lease{c: c, r: r}
	}
	return nil
}

// enter leases an entry, found or new; a new one has a slab and is to be built
// by the caller. It waits while every slab is leased.
func (c *weightCache) enter(ctx context.Context, digest string, pool *slabPool, extra int64) (r *resident, builder bool, err error) {
	if pool.bytes+extra > c.limit {
		return nil, false, Errorf(Busy, "the weight cache of %d bytes is smaller than one model's %d: raise --weight-cache", c.limit, pool.bytes+extra)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var patience <-chan time.Time
	for {
		// Looked for again after each wait: another may have begun it.
		if r := c.find(digest); r != nil {
			return r, false, nil
		}
		if slab, err := c.take(pool, extra); err != nil {
			return nil, false, err
		} else if slab != nil {
			c.misses++
			r := &resident{digest: digest, pool: pool, slab: slab, extra: extra, ready: make(chan struct{}), leases: 1}
			c.held[digest] = r
			return r, true, nil
		}
		if c.waiters >= c.waiting {
			return nil, false, Errorf(Busy, "every slab of the weight cache is in use and %d requests wait already", c.waiters)
		}
		if patience == nil {
			t := time.NewTimer(c.patient)
			defer t.Stop()
			patience = t.C
		}
		if err := c.wait(ctx, patience); err != nil {
			return nil, false, err
		}
	}
}

// find leases the entry of digest, or gives nil. The caller holds mu.
func (c *weightCache) find(digest string) *resident {
	r := c.held[digest]
	if r == nil {
		idle, ok := c.idle.Peek(digest)
		if !ok {
			return nil
		}
		r = idle
		c.idle.Remove(digest)
		c.held[digest] = r
	}
	r.leases++
	c.hits++
	return r
}

// wait gives up mu until a slab may be free. The caller holds mu, before and
// after.
func (c *weightCache) wait(ctx context.Context, patience <-chan time.Time) error {
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
	case <-patience:
		return Errorf(Busy, "every slab of the weight cache is in use; waited %v for one", c.patient)
	}
}

// wake lets those who wait look again.
func (c *weightCache) wake() {
	if c.waiters > 0 {
		close(c.freed)
		c.freed = make(chan struct{})
	}
}

// fill runs build. Whatever happens to it, those who wait are told.
func (c *weightCache) fill(r *resident, build func(slab []float32) (any, error)) {
	defer func() {
		if p := recover(); p != nil {
			stack := make([]byte, 4<<10)
			r.err = Errorf(Internal, "rebuild of %s: panic: %v\n%s", r.digest, p, stack[:goruntime.Stack(stack, false)])
		}
		c.mu.Lock()
		c.rebuilds++
		if r.err != nil {
			c.disown(r)
		}
		c.mu.Unlock()
		close(r.ready)
	}()
	r.value, r.err = build(r.slab.floats())
}

func (c *weightCache) release(r *resident) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.leases--; r.leases > 0 {
		return
	}
	if r.dead {
		c.giveBack(r)
	} else {
		delete(c.held, r.digest)
		c.idle.Add(r.digest, r)
	}
	c.wake()
}

// drop forgets an entry: at once, or with its last lease. A later acquire of
// the same digest builds anew.
func (c *weightCache) drop(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.idle.Peek(digest); ok {
		c.idle.Remove(digest)
		c.giveBack(r)
		c.wake()
	} else if r := c.held[digest]; r != nil {
		c.disown(r)
	}
}

// disown leaves an entry to those who lease it: nobody else finds it, and its
// slab is free with the last lease. The caller holds mu.
func (c *weightCache) disown(r *resident) {
	r.dead = true
	if c.held[r.digest] == r { // not if it was dropped before and is built anew
		delete(c.held, r.digest)
	}
}

// resides tells whether rebuilt weights of digest are in the cache.
func (c *weightCache) resides(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[digest] != nil || c.idle.Contains(digest)
}

// cacheStats is a snapshot of the account.
type cacheStats struct {
	used                              int64
	extra                             int64 // of used, what is not slabs
	slabs, leased                     int   // entries; those of them that are leased
	waiters                           int
	hits, misses, rebuilds, evictions int64
}

func (c *weightCache) stats() cacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cacheStats{c.used, c.extra, len(c.held) + c.idle.Len(), len(c.held), c.waiters, c.hits, c.misses, c.rebuilds, c.evictions}
}

// close unmaps every slab. No lease may be out.
func (c *weightCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.idle.Len() > 0 {
		_, r, _ := c.idle.RemoveOldest()
		c.giveBack(r)
	}
	for pool, free := range c.free {
		for _, slab := range free {
			c.unmap(slab)
		}
		delete(c.free, pool)
	}
}
