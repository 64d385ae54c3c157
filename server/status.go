package server

import (
	"math"

	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
)

// getLive answers GET /v2/health/live: 200 while the process answers.
func (s *Server) getLive(r *request) error {
	return r.sendJSON(fiber.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

// getReady answers GET /v2/health/ready: 200 unless the server is stopping.
func (s *Server) getReady(r *request) error {
	if s.draining.Load() {
		return runtime.Errorf(runtime.Closed, "the server is stopping")
	}
	return r.sendJSON(fiber.StatusOK, struct {
		Ready bool `json:"ready"`
	}{true})
}

// getMemory answers GET /v1/memory with the engine's ledger.
func (s *Server) getMemory(r *request) error {
	if err := r.caller.CheckTotals(); err != nil {
		return err
	}
	l := s.engine.Ledger()
	l.ModelRatio = finite(l.ModelRatio)
	l.ProcessRatio = finite(l.ProcessRatio)
	return r.sendJSON(fiber.StatusOK, l)
}

// finite returns x, or 0 for what JSON has no number for: a ratio to zero bytes.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
