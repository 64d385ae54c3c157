package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
)

// getLive answers GET /v2/health/live: the process answers.
func (s *Server) getLive(r *request) error {
	return r.answer(fiber.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

// getReady answers GET /v2/health/ready: new requests are welcome.
func (s *Server) getReady(r *request) error {
	if s.closing.Load() {
		return runtime.Errorf(runtime.Closed, "the server is stopping")
	}
	return r.answer(fiber.StatusOK, struct {
		Ready bool `json:"ready"`
	}{true})
}
