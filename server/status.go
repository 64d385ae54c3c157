package server

import (
	"math"

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

// getMemory answers GET /v1/memory with the ledger.
func (s *Server) getMemory(r *request) error {
	if err := r.caller.CheckTotals(); err != nil {
		return err
	}
	l := s.engine.Ledger()
	l.ModelRatio = finite(l.ModelRatio)
	l.ProcessRatio = finite(l.ProcessRatio)
	return r.answer(fiber.StatusOK, l)
}

// finite is x, or 0 where JSON has no number for it: a ratio to no bytes.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
