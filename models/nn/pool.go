package nn

import "sync"

// Pool keeps passes for reuse. Unlike a sync.Pool it drops none, so that Bytes counts
// all memory of activations: as many passes as ever ran at once. The zero value is an
// empty pool.
type Pool struct {
	mu    sync.Mutex // guards idle, bytes
	idle  []*Pass
	bytes int
}

// Begin starts an idle pass, or a new one if none is idle, over groups.
func (pool *Pool) Begin(groups ...Group) *Pass {
	p := pool.get()
	p.Begin(groups...)
	return p
}

// End ends a pass of this pool and keeps it for another.
func (pool *Pool) End(p *Pass) {
	p.End()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.bytes += p.Bytes() - p.accounted
	p.accounted = p.Bytes()
	pool.idle = append(pool.idle, p)
}

// Bytes returns the memory of all passes, each as of its last End.
func (pool *Pool) Bytes() int {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	return pool.bytes
}

// get returns an idle pass, or a new one.
func (pool *Pool) get() *Pass {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	last := len(pool.idle) - 1
	if last < 0 {
		return new(Pass)
	}
	p := pool.idle[last]
	pool.idle = pool.idle[:last]
	return p
}
