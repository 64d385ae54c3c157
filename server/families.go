package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/auth"
)

// familyList is the list of all families. They are few, so it has no pages.
type familyList struct {
	Families []runtime.FamilyInfo `json:"families"`
}

// listFamilies answers GET /v1/families.
func (s *Server) listFamilies(r *request) error {
	list := s.engine.Families()
	if list == nil {
		list = []runtime.FamilyInfo{}
	}
	for i := range list {
		if err := s.countVisible(r.caller, &list[i]); err != nil {
			return err
		}
	}
	return r.sendJSON(fiber.StatusOK, familyList{list})
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
	if err := s.countVisible(r.caller, &f.FamilyInfo); err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, f)
}

// countVisible sets a family's number of variants to how many of them the caller may see.
func (s *Server) countVisible(caller *auth.Caller, f *runtime.FamilyInfo) error {
	if caller.CheckTotals() == nil {
		return nil
	}
	found, err := s.engine.Find(runtime.Query{Family: f.Name, Allow: caller.Sees, Limit: 1})
	f.Variants = found.Total
	return err
}
