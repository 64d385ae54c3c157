package server

import (
	"eigenserve/server/auth"
	"time"
)

// Route is a row of the table of routes.
type Route struct {
	Name, Method, Path string
	Scope              auth.Scope
}

// Routes returns the table of routes.
func (s *Server) Routes() []Route {
	var out []Route
	for _, rt := range s.routes() {
		out = append(out, Route{rt.name, rt.method, rt.path, rt.scope})
	}
	return out
}

var (
	ReadAll       = readAll
	ParseQuestion = parseQuestion
	Operations    = operations
)

// BodyBytes returns how many bytes of bodies are counted.
func (s *Server) BodyBytes() int64 { return s.bodies.Held() }

// LimitInflight sets how many inferences may be under way, and stops the clock of the
// limit at a time when it has been exceeded for long.
func (s *Server) LimitInflight(limit int) {
	c := s.inflight
	c.mu.Lock()
	defer c.mu.Unlock()
	clock := time.Now()
	c.now = func() time.Time { return clock }
	c.limit, c.over, c.since = limit, clock, clock.Add(-time.Second)
}

// Inflight returns how many inferences are under way.
func (s *Server) Inflight() int {
	c := s.inflight
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// CheckEvery sets how long the certificate's files count as unchanged.
func (c *Certificate) CheckEvery(d time.Duration) { c.file.CheckEvery(d) }
