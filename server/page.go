package server

import (
	"net/url"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/server/web"
)

// getPage answers GET /.
func (s *Server) getPage(r *request) error { return r.sendAsset(s.assets["index.html"]) }

// getAsset answers GET /assets/{file}.
func (s *Server) getAsset(r *request) error {
	a, ok := s.assets[utils.CopyString(r.Params("file"))]
	if !ok {
		return fiber.ErrNotFound
	}
	return r.sendAsset(a)
}

// getSample answers GET /samples/ with the list of samples, and GET /samples/{path}.
func (s *Server) getSample(r *request) error {
	name, err := url.PathUnescape(utils.CopyString(r.Params("*")))
	if err != nil {
		return fiber.ErrNotFound
	}
	if name == "" {
		return r.sendJSON(fiber.StatusOK, s.samples.Index())
	}
	a, ok, err := s.samples.Load(name)
	if err != nil {
		return err
	}
	if !ok {
		return fiber.ErrNotFound
	}
	return r.sendAsset(a)
}

// sendAsset sends a file. Browsers keep it and ask whether it is still the same.
func (r *request) sendAsset(a web.Asset) error {
	r.Set(fiber.HeaderCacheControl, "no-cache")
	r.Set(fiber.HeaderETag, a.ETag)
	if r.Get(fiber.HeaderIfNoneMatch) == a.ETag {
		return r.SendStatus(fiber.StatusNotModified)
	}
	r.Set(fiber.HeaderContentType, a.MediaType)
	return r.Send(a.Body)
}
