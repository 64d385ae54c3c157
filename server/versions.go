package server

import (
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// versionList is what a name holds, the oldest version first; the last is the
// current one.
type versionList struct {
	Name     string                `json:"name"`
	Versions []runtime.VersionInfo `json:"versions"`
}

// versioned is the reference to the version in the path, or to the current one
// where the route has none.
func (r *request) versioned() (ref string, err error) {
	name, err := r.name("variant")
	if err != nil {
		return "", err
	}
	return wire.Reference(name, utils.CopyString(r.Params("version")))
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
	return r.answer(fiber.StatusOK, versionList{name, versions})
}

// getVersion answers GET /v1/models/{name}/versions/{number}.
func (s *Server) getVersion(r *request) error {
	ref, err := r.versioned()
	if err != nil {
		return err
	}
	v, err := s.engine.Variant(ref)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, v)
}

// deleteVersion answers DELETE /v1/models/{name}/versions/{number}.
func (s *Server) deleteVersion(r *request) error {
	ref, err := r.versioned()
	if err != nil {
		return err
	}
	if err := s.engine.DeleteVariant(r.context(), ref); err != nil {
		return err
	}
	return r.nothing()
}
