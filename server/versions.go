package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
)

// versionList is the list of a name's versions, the oldest first. The last is the current
// one.
type versionList struct {
	Name     string                `json:"name"`
	Versions []runtime.VersionInfo `json:"versions"`
}

// listVersions answers GET /v1/models/{name}/versions.
func (s *Server) listVersions(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	versions, err := s.engine.Versions(name)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, versionList{name, versions})
}

// getVersion answers GET /v1/models/{name}/versions/{number}.
func (s *Server) getVersion(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	v, err := s.engine.Variant(ref)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, v)
}

// deleteVersion answers DELETE /v1/models/{name}/versions/{number}.
func (s *Server) deleteVersion(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	if err := s.engine.DeleteVariant(r.context(), ref); err != nil {
		return err
	}
	return r.sendNoContent()
}
