package cache

import (
	"time"

	"eigenserve/runtime/mem"
)

// Kind says how an entry is stored, and under which heading it is counted.
type Kind uint8

const (
	// Weights are rebuilt weights. An entry fills one slab of its pool, and the slab is
	// recycled when the entry is evicted.
	Weights Kind = iota
	// Decoded are decoded coefficients: smaller than weights, of any size, and made
	// faster. An entry has a region to itself, which is unmapped when it is evicted.
	Decoded

	kinds // the number of kinds
)

// Request describes an entry: what it is, which memory it takes and what it is worth.
type Request struct {
	Kind Kind
	// Key identifies the entry among those of its kind. Accesses are counted by key alone,
	// so entries of different kinds that serve the same requests should share it.
	Key string
	// Pool owns the entry: it is evicted at the latest when the pool is retired.
	Pool *Pool
	// Size is the size of a Decoded entry's region in bytes. The region of a Weights entry
	// is a slab of Pool.
	Size int64
	// HeapBytes is charged in addition to the region, for what the entry's value holds on
	// the Go heap.
	HeapBytes int64
	// Saves returns how much of a request's time the entry saves, as measured so far. If it
	// is nil, all entries count the same. It is called with the cache locked, so it must be
	// fast and must not call the cache.
	Saves func() time.Duration
}

// id identifies an entry.
type id struct {
	kind Kind
	key  string
}

func (r *Request) id() id { return id{r.Kind, r.Key} }

// usesSlab reports whether the entry lies in a slab of its pool.
func (r *Request) usesSlab() bool { return r.Kind == Weights }

// regionBytes returns the size of the entry's region.
func (r *Request) regionBytes() int64 {
	if r.usesSlab() {
		return r.Pool.slabBytes
	}
	return r.Size
}

// bytes returns what the entry is charged.
func (r *Request) bytes() int64 { return r.regionBytes() + r.HeapBytes }

// worth returns how much of one request's time each byte of the entry saves. It is never
// 0, so that where nothing was measured the number of requests decides.
func (r *Request) worth() float64 {
	saves := time.Duration(1)
	if r.Saves != nil {
		saves = max(saves, r.Saves())
	}
	return float64(saves) / float64(max(r.bytes(), 1))
}

// entry is a filled region, or one that is being filled.
type entry struct {
	Request
	region *mem.Region
	filled chan struct{} // closed when the fill function has returned
	value  any           // returned by the fill function, as is err; read once filled is closed
	err    error

	// Guarded by Cache.mu:
	leases  int
	dropped bool    // no longer in Cache.entries; freed with its last lease
	segment segment // in which it waits for its next lease; see tinyLFU
}

// isFilled reports whether the fill function has returned.
func (e *entry) isFilled() bool {
	select {
	case <-e.filled:
		return true
	default:
		return false
	}
}

// Lease keeps an entry in memory until Release.
type Lease struct {
	c       *Cache
	e       *entry
	rebuilt bool
}

// Value returns what the fill function returned. It must not be used after Release.
func (l *Lease) Value() any { return l.e.value }

// Rebuilt reports whether this lease's Acquire filled the entry.
func (l *Lease) Rebuilt() bool { return l.rebuilt }

// AddHits counts n more hits for a lease that answers several requests.
func (l *Lease) AddHits(n int64) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.counts[l.e.Kind].Hits += n
}

// Release ends the lease. It must be called once.
func (l *Lease) Release() { l.c.release(l.e) }

// Reservation is a new entry that is waiting to be filled by Fill.
type Reservation struct{ e *entry }
