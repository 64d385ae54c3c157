package cache

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/mem"
)

// Cache holds rebuilt weights within a budget of bytes. Slabs of a pool
// are all of one size, so taking and giving back neither fragments nor waits for
// the collector. The bytes of a slab stay charged from the moment it is mapped
// until it is unmapped, and it can only be given to another variant when its
// last lease has dropped: the budget holds under any load.
//
// What is leased lies in held, what is not lies in idle, which says what is to
// be evicted first.
type Cache struct {
	limit   int64
	waiting int           // most requests that may wait for a slab
	patient time.Duration // longest that one waits

	mu    sync.Mutex // guards all below
	held  map[string]*Entry
	idle  policy
	used  int64 // bytes of all mapped slabs, and of what is charged beside them
	extra int64 // of used, what is not slabs
	free  map[*Pool][]*mem.Region
	// freed is closed, and made anew, when a slab may have become free.
	freed   chan struct{}
	waiters int

	hits, misses, rebuilds, evictions int64 // of slabs
	coreHits                          int64
}

// Entry is one variant's weights in the cache, or on their way into it.
type Entry struct {
	Request
	slab  *mem.Region
	value any // what build made of the slab

	ready chan struct{} // closed when build has ended
	err   error         // of build; read after ready

	// Guarded by Cache.mu:
	part   segment // of the idle ones that it lies in, or will
	leases int
	dead   bool // dropped while leased: freed with its last lease
}

// Lease keeps a Entry in place until Release.
type Lease struct {
	c *Cache
	r *Entry
	// built tells that this lease's taker built the weights, wait how long it
	// waited for somebody else to.
	built bool
}

// Rebuilt tells whether this lease's taker built the weights.
func (l *Lease) Rebuilt() bool { return l.built }

// Value is what build made of the slab.
func (l *Lease) Value() any { return l.r.value }

// Release ends the lease. It must be called once.
func (l *Lease) Release() { l.c.Release(l.r) }

// Request says what a variant's weights take, and what they are worth.
type Request struct {
	Digest string
	Pool   *Pool
	Extra  int64 // bytes charged with the slab
	Cores  bool  // decoded coefficients, not rebuilt weights
	// Saves tells how much of a request's time they save if they are there, as of
	// now; nil: as much as any other.
	Saves func() time.Duration
}

// key is what they lie under in the cache.
func (w *Request) key() string {
	if w.Cores {
		return DecodedKey(w.Digest)
	}
	return w.Digest
}

// DecodedKey is what decoded coefficients lie under.
func DecodedKey(digest string) string { return "cores of " + digest }

func (w *Request) bytes() int64 { return w.Pool.bytes + w.Extra }

// worth is what one byte saves of one request's time. It is never 0, so that
// without measurements the number of requests decides.
func (w *Request) worth() float64 {
	saves := time.Duration(1)
	if w.Saves != nil {
		saves = max(saves, w.Saves())
	}
	return float64(saves) / float64(max(w.bytes(), 1))
}

// New makes a cache.
func New(limit int64, waiting int, patient time.Duration, p policy) *Cache {
	return &Cache{limit: limit, waiting: waiting, patient: patient, idle: p,
		held: map[string]*Entry{}, free: map[*Pool][]*mem.Region{}, freed: make(chan struct{})}
}

// Acquire leases the weights of a variant. On a miss it takes a slab and has
// build fill it, once for all who ask meanwhile; they wait for it. build returns
// what the lease's value is to be.
func (c *Cache) Acquire(ctx context.Context, w Request, build func(slab []float32) (any, error)) (*Lease, error) {
	r, builder, err := c.enter(ctx, w)
	if err != nil {
		return nil, err
	}
	if builder {
		c.Fill([]*Entry{r}, func(slabs [][]float32) ([]any, []error) {
			value, err := build(slabs[0])
			return []any{value}, []error{err}
		})
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		c.Release(r)
		return nil, ctx.Err()
	}
	if r.err != nil {
		c.Release(r)
		return nil, r.err
	}
	return &Lease{c: c, r: r, built: builder}, nil
}

// Reserve leases a new entry, which is to be filled, for weights that are worth
// it: that there is room for, or only such weights in the way as are worth less.
// It waits for nothing, and gives nil if they are not, or are there already.
func (c *Cache) Reserve(w Request) *Entry {
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
func (c *Cache) place(w *Request, slab *mem.Region, part segment) *Entry {
	if !w.Cores {
		c.misses++
	}
	r := &Entry{Request: *w, slab: slab, part: part, ready: make(chan struct{}), leases: 1}
	c.held[w.key()] = r
	return r
}

// Lookup leases the weights of digest if they are rebuilt, and waits for nothing.
func (c *Cache) Lookup(digest string) *Lease {
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
		return &Lease{c: c, r: r}
	}
	return nil
}

// enter leases an entry, found or new; a new one has a slab and is to be built
// by the caller. It waits while every slab is leased.
func (c *Cache) enter(ctx context.Context, w Request) (r *Entry, builder bool, err error) {
	if w.bytes() > c.limit {
		return nil, false, fault.Errorf(fault.Busy, "the weight cache of %d bytes is smaller than one model's %d: raise --weight-cache", c.limit, w.bytes())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var patience <-chan time.Time
	for {
		// Looked for again after each wait: another may have begun it.
		if r := c.find(w.Digest); r != nil {
			return r, false, nil
		}
		if slab, err := c.take(&w, true); err != nil {
			return nil, false, err
		} else if slab != nil {
			return c.place(&w, slab, fresh), true, nil
		}
		if c.waiters >= c.waiting {
			return nil, false, fault.Errorf(fault.Busy, "every slab of the weight cache is in use and %d requests wait already", c.waiters)
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
func (c *Cache) find(digest string) *Entry {
	r := c.held[digest]
	if r == nil {
		if r = c.idle.leave(digest); r == nil {
			return nil
		}
		r.part = r.part.again()
		c.held[digest] = r
	}
	r.leases++
	if r.Cores {
		c.coreHits++
	} else {
		c.hits++
	}
	return r
}

// Limit is the budget in bytes.
func (c *Cache) Limit() int64 { return c.limit }

// RecordAccess counts requests for a variant, however they are to be answered.
func (c *Cache) RecordAccess(digest string, requests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range requests {
		c.idle.recordAccess(digest)
	}
}

// AddHits adds requests that one lease answered together.
func (c *Cache) AddHits(hits int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits += hits
}

// wait gives up mu until a slab may be free. The caller holds mu, before and
// after.
func (c *Cache) wait(ctx context.Context, patience <-chan time.Time) error {
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
		return fault.Errorf(fault.Busy, "every slab of the weight cache is in use; waited %v for one", c.patient)
	}
}

// wake lets those who wait look again.
func (c *Cache) wake() {
	if c.waiters > 0 {
		close(c.freed)
		c.freed = make(chan struct{})
	}
}

// Fill runs build for some new entries. Whatever happens to it, those who wait
// are told.
func (c *Cache) Fill(entries []*Entry, build func(slabs [][]float32) (values []any, errs []error)) {
	slabs := make([][]float32, len(entries))
	for i, r := range entries {
		slabs[i] = r.slab.Floats()
	}
	defer func() {
		if p := recover(); p != nil {
			stack := make([]byte, 4<<10)
			stack = stack[:goruntime.Stack(stack, false)]
			for _, r := range entries {
				r.err = fault.Errorf(fault.Internal, "rebuild of %s: panic: %v\n%s", r.Digest, p, stack)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range entries {
			if !r.Cores {
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

// Err is that of the build.
func (r *Entry) Err() error { return r.err }

// Release ends the lease of an entry that was reserved.
func (c *Cache) Release(r *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.leases--; r.leases > 0 {
		return
	}
	if r.Pool.gone() {
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

// Drop forgets a variant, its slab and its cores: at once, or with the last lease.
// A later acquire of the same digest builds anew.
func (c *Cache) Drop(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropKey(digest)
	c.dropKey(DecodedKey(digest))
}

// DropDecoded forgets what a slab is there in the place of.
func (c *Cache) DropDecoded(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropKey(DecodedKey(digest))
}

func (c *Cache) dropKey(key string) {
	if r := c.idle.leave(key); r != nil {
		c.giveBack(r)
		c.wake()
	} else if r := c.held[key]; r != nil {
		c.disown(r)
	}
}

// disown leaves an entry to those who lease it: nobody else finds it, and its
// slab is free with the last lease. The caller holds mu.
func (c *Cache) disown(r *Entry) {
	r.dead = true
	if c.held[r.key()] == r { // not if it was dropped before and is built anew
		delete(c.held, r.key())
	}
}

// Contains tells whether rebuilt weights of digest are in the cache.
func (c *Cache) Contains(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[digest] != nil || c.idle.contains(digest)
}

// Stats is a snapshot of the account.
type Stats struct {
	Used                              int64
	Extra                             int64 // of Used, what is not slabs
	Slabs, Leased                     int   // entries; those of them that are leased
	Waiters                           int
	Hits, Misses, Rebuilds, Evictions int64
	Cores                             int // entries of decoded coefficients
	CoreHits                          int64
	Out                               int // entries of either kind that are leased
}

// Stats gives the account.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Used: c.used, Extra: c.extra, Waiters: c.waiters,
		Hits: c.hits, Misses: c.misses, Rebuilds: c.rebuilds, Evictions: c.evictions, CoreHits: c.coreHits}
	count := func(r *Entry) int {
		if r.Cores {
			s.Cores++
			return 0
		}
		return 1
	}
	s.Out = len(c.held)
	for _, r := range c.held {
		s.Leased += count(r)
	}
	s.Slabs = s.Leased
	for r := range c.idle.all() {
		s.Slabs += count(r)
	}
	return s
}

// Close unmaps every slab. No lease may be out.
func (c *Cache) Close() {
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
