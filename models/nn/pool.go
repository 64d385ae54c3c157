package nn

import "sync"

// Pool keeps passes between uses. Unlike a sync.Pool it forgets none, so that
// Bytes accounts for all the activations there is memory for: as many passes as
// ever ran at once. The zero value is empty and ready.
type Pool struct {
	mu    sync.Mutex // guards idle and bytes
	idle  []*Pass
	bytes int
}

// Begin takes a pass, makes one if none is idle, and starts it over the groups.
func (pool *Pool) Begin(groups ...Group) *Pass {
	p := pool.take()
	p.Begin(groups...)
	return p
}

// End ends a pass of this pool and keeps it for another.
func (pool *Pool) End(p *Pass) {
	p.End()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.bytes += p.Bytes() - p.charged
	p.charged = p.Bytes()
	pool.idle = append(pool.idle, p)
}

// Bytes is the memory of every pass as of its last End.
func (pool *Pool) Bytes() int {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	return pool.bytes
}

func (pool *Pool) take() *Pass {
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
