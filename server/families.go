package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
)

// familyList is the list of all families; they are few, so it has no pages.
type familyList struct {
	Families []runtime.FamilyInfo `json:"families"`
}

// listFamilies answers GET /v1/families.
func (s *Server) listFamilies(r *request) error {
	list := s.engine.Families()
	if list == nil {
		list = []runtime.FamilyInfo{}
	}
	return r.answer(fiber.StatusOK, familyList{list})
}

// getFamily answers GET /v1/families/{family}.
func (s *Server) getFamily(r *request) error {
	name, err := r.name("family")
	if err != nil {
		return err
	}
	f, err := s.engine.Family(name)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, f)
}
