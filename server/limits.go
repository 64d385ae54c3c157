package server

import "sync/atomic"

// bodyMemory is the account of the bytes of all bodies that requests under way
// have brought, read and not yet done with. It grows with what has come, never
// with what was promised, so that a client can't hold a place by its word.
type bodyMemory struct {
	limit int64
	held  atomic.Int64
}

// take counts n more bytes, and tells whether they are within the limit. They
// count either way until they are released.
func (m *bodyMemory) take(n int64) bool { return m.held.Add(n) <= m.limit }
