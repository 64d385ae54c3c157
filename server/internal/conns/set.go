package conns

import (
	"log/slog"
	"net"
	"sync"
)

// Set tracks the listeners and open connections of a server, so that stopping it leaves
// none behind.
type Set struct {
	limit int // connections open at once
	log   *slog.Logger

	mu        sync.Mutex // guards the rest
	listeners []*listener
	open      map[*Conn]struct{}
	stopped   bool
}

// NewSet returns an empty set of at most limit open connections.
func NewSet(limit int, log *slog.Logger) *Set {
	return &Set{limit: limit, log: log, open: make(map[*Conn]struct{})}
}

// Listen returns a listener whose connections are Conns of the set. ok is false, and l
// closed, if the set has stopped accepting.
func (s *Set) Listen(l net.Listener) (tracked net.Listener, ok bool) {
	t := &listener{Listener: l, set: s, refusals: make(chan struct{}, maxRefusals)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		_ = t.Close()
		return nil, false
	}
	s.listeners = append(s.listeners, t)
	return t, true
}

// StopAccepting closes the listeners, and the connections on which no byte has arrived
// yet: browsers open some in advance, and nothing is lost with them.
func (s *Set) StopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.open {
		if !c.Used() {
			_ = c.Conn.Close()
		}
	}
}

// CloseAll closes every connection that is left.
func (s *Set) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Conn.Close()
	}
}

// add adds a connection and reports whether there was room for it.
func (s *Set) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.limit {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Set) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}
