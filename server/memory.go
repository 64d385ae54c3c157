package server

import (
	"math"

	"github.com/gofiber/fiber/v2"
)

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
