package runtime

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"

	"eigenserve/runtime/mem"
)

// weightCache holds rebuilt weights within a budget of bytes. Slabs of a pool
// are all of one size, so taking and giving back neither fragments nor waits for
// the collector. The bytes of a slab stay charged from the moment it is mapped
// until it is unmapped, and it can only be given to another variant when its
// last lease has dropped: the budget holds under any load.
//
// What is leased lies in held, what is not lies in idle, which says what is to
// be evicted first.
type weightCache struct {
	limit   int64
	waiting int           // most requests that may wait for a slab
	patient time.Duration // longest that one waits

	mu    sync.Mutex // guards all below
	held  map[string]*resident
	idle  policy
	used  int64 // bytes of all mapped slabs, and of what is charged beside them
	extra int64 // of used, what is not slabs
	free  map[*slabPool][]*mem.Region
	// freed is closed, and made anew, when a slab may have become free.
	freed   chan struct{}
	waiters int

	hits, misses, rebuilds, evictions int64 // of slabs
	coreHits                          int64
}

// resident is one variant's weights in the cache, or on their way into it.
type resident struct {
	wanted
	slab  *mem.Region
	value any // what build made of the slab

	ready chan struct{} // closed when build has ended
	err   error         // of build; read after ready

	// Guarded by weightCache.mu:
	part   segment // of the idle ones that it lies in, or will
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

// wanted says what a variant's weights take, and what they are worth.
type wanted struct {
	digest string
	pool   *slabPool
	extra  int64 // bytes charged with the slab
	cores  bool  // decoded coefficients, not rebuilt weights
	// saves tells how much of a request's time they save if they are there, as of
	// now; nil: as much as any other.
	saves func() time.Duration
}

// key is what they lie under in the cache.
func (w *wanted) key() string {
	if w.cores {
		return coresKey(w.digest)
	}
	return w.digest
}

func coresKey(digest string) string { return "cores of " + digest }

func (w *wanted) bytes() int64 { return w.pool.bytes + w.extra }

// worth is what one byte saves of one request's time. It is never 0, so that
// without measurements the number of requests decides.
func (w *wanted) worth() float64 {
	saves := time.Duration(1)
	if w.saves != nil {
		saves = max(saves, w.saves())
	}
	return float64(saves) / float64(max(w.bytes(), 1))
}

func newWeightCache(limit int64, waiting int, patient time.Duration, p policy) *weightCache {
	return &weightCache{limit: limit, waiting: waiting, patient: patient, idle: p,
		held: map[string]*resident{}, free: map[*slabPool][]*mem.Region{}, freed: make(chan struct{})}
}

// acquire leases the weights of a variant. On a miss it takes a slab and has
// build fill it, once for all who ask meanwhile; they wait for it. build returns
// what the lease's value is to be.
func (c *weightCache) acquire(ctx context.Context, w wanted, build func(slab []float32) (any, error)) (*lease, error) {
	r, builder, err := c.enter(ctx, w)
	if err != nil {
		return nil, err
	}
	if builder {
		c.fill([]*resident{r}, func(slabs [][]float32) ([]any, []error) {
			value, err := build(slabs[0])
			return []any{value}, []error{err}
		})
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

// reserve leases a new entry, which is to be filled, for weights that are worth
// it: that there is room for, or only such weights in the way as are worth less.
// It waits for nothing, and gives nil if they are not, or are there already.
func (c *weightCache) reserve(w wanted) *resident {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.bytes() > c.limit || c.held[w.key()] != nil || c.idle.contains(w.key()) {
		return nil
	}
	slab, err := c.take(&w, false)
	if err != nil || slab == nil {
		return nil
	}
	return c.place(&w, slab, promoted)
}

// place makes an entry of a slab, leased by the caller, who holds mu and fills
// it.
func (c *weightCache) place(w *wanted, slab *mem.Region, part segment) *resident {
	if !w.cores {
		c.misses++
	}
	r := &resident{wanted: *w, slab: slab, part: part, ready: make(chan struct{}), leases: 1}
	c.held[w.key()] = r
	return r
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
func (c *weightCache) enter(ctx context.Context, w wanted) (r *resident, builder bool, err error) {
	if w.bytes() > c.limit {
		return nil, false, Errorf(Busy, "the weight cache of %d bytes is smaller than one model's %d: raise --weight-cache", c.limit, w.bytes())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var patience <-chan time.Time
	for {
		// Looked for again after each wait: another may have begun it.
		if r := c.find(w.digest); r != nil {
			return r, false, nil
		}
		if slab, err := c.take(&w, true); err != nil {
			return nil, false, err
		} else if slab != nil {
			return c.place(&w, slab, fresh), true, nil
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
		if r = c.idle.leave(digest); r == nil {
			return nil
		}
		r.part = r.part.again()
		c.held[digest] = r
	}
	r.leases++
	if r.cores {
		c.coreHits++
	} else {
		c.hits++
	}
	return r
}

// asked counts requests for a variant, however they are to be answered.
func (c *weightCache) asked(digest string, requests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range requests {
		c.idle.asked(digest)
	}
}

// counted adds requests that one lease answered together.
func (c *weightCache) counted(hits int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits += hits
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

// fill runs build for some new entries. Whatever happens to it, those who wait
// are told.
func (c *weightCache) fill(entries []*resident, build func(slabs [][]float32) (values []any, errs []error)) {
	slabs := make([][]float32, len(entries))
	for i, r := range entries {
		slabs[i] = r.slab.Floats()
	}
	defer func() {
		if p := recover(); p != nil {
			stack := make([]byte, 4<<10)
			stack = stack[:goruntime.Stack(stack, false)]
			for _, r := range entries {
				r.err = Errorf(Internal, "rebuild of %s: panic: %v\n%s", r.digest, p, stack)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range entries {
			if !r.cores {
				c.rebuilds++
			}
			if r.err != nil {
				c.disown(r)
			}
			close(r.ready)
		}
	}()
	values, errs := build(slabs)
	for i, r := range entries {
		r.value, r.err = values[i], errs[i]
	}
}

func (c *weightCache) release(r *resident) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.leases--; r.leases > 0 {
		return
	}
	if r.pool.gone() {
		c.disown(r)
	}
	if r.dead {
		c.giveBack(r)
	} else {
		delete(c.held, r.key())
		c.idle.rest(r)
	}
	c.wake()
}

// drop forgets a variant, its slab and its cores: at once, or with the last lease.
// A later acquire of the same digest builds anew.
func (c *weightCache) drop(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropKey(digest)
	c.dropKey(coresKey(digest))
}

// dropCores forgets what a slab is there in the place of.
func (c *weightCache) dropCores(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropKey(coresKey(digest))
}

func (c *weightCache) dropKey(key string) {
	if r := c.idle.leave(key); r != nil {
		c.giveBack(r)
		c.wake()
	} else if r := c.held[key]; r != nil {
		c.disown(r)
	}
}

// disown leaves an entry to those who lease it: nobody else finds it, and its
// slab is free with the last lease. The caller holds mu.
func (c *weightCache) disown(r *resident) {
	r.dead = true
	if c.held[r.key()] == r { // not if it was dropped before and is built anew
		delete(c.held, r.key())
	}
}

// resides tells whether rebuilt weights of digest are in the cache.
func (c *weightCache) resides(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[digest] != nil || c.idle.contains(digest)
}

// cacheStats is a snapshot of the account.
type cacheStats struct {
	used                              int64
	extra                             int64 // of used, what is not slabs
	slabs, leased                     int   // entries; those of them that are leased
	waiters                           int
	hits, misses, rebuilds, evictions int64
	cores                             int // entries of decoded coefficients
	coreHits                          int64
}

func (c *weightCache) stats() cacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := cacheStats{used: c.used, extra: c.extra, waiters: c.waiters,
		hits: c.hits, misses: c.misses, rebuilds: c.rebuilds, evictions: c.evictions, coreHits: c.coreHits}
	count := func(r *resident) int {
		if r.cores {
			s.cores++
			return 0
		}
		return 1
	}
	for _, r := range c.held {
		s.leased += count(r)
	}
	s.slabs = s.leased
	for r := range c.idle.all() {
		s.slabs += count(r)
	}
	return s
}

// close unmaps every slab. No lease may be out.
func (c *weightCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.idle.all() {
		c.idle.leave(r.key())
		c.giveBack(r)
	}
	for pool, free := range c.free {
		for _, slab := range free {
			c.unmap(slab)
		}
		delete(c.free, pool)
	}
}
