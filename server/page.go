package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/server/web"
)

// mediaTypes of the files that the server hands out, by extension.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".gif":  "image/gif",
	".webp": "image/webp",
}

// asset is a file ready to be sent.
type asset struct {
	body      []byte
	mediaType string
	tag       string // the ETag
}

// page is the page's files by name.
type page map[string]asset

func loadPage() (page, error) {
	entries, err := fs.ReadDir(web.Files, ".")
	if err != nil {
		return nil, err
	}
	p := make(page, len(entries))
	for _, e := range entries {
		if p[e.Name()], err = loadAsset(web.Files, e.Name()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func loadAsset(files fs.FS, name string) (asset, error) {
	mediaType, ok := mediaTypes[path.Ext(name)]
	if !ok {
		return asset{}, fmt.Errorf("no media type is known for %q", name)
	}
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return asset{}, err
	}
	sum := sha256.Sum256(body)
	return asset{body, mediaType, `"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}

// getPage answers GET /.
func (s *Server) getPage(r *request) error { return r.asset(s.page["index.html"]) }

// getAsset answers GET /assets/{file}.
func (s *Server) getAsset(r *request) error {
	a, ok := s.page[utils.CopyString(r.Params("file"))]
	if !ok {
		return fiber.ErrNotFound
	}
	return r.asset(a)
}

// asset sends a file; a browser keeps it and asks whether it is still the same.
func (r *request) asset(a asset) error {
	r.Set(fiber.HeaderCacheControl, "no-cache")
	r.Set(fiber.HeaderETag, a.tag)
	if r.Get(fiber.HeaderIfNoneMatch) == a.tag {
		return r.SendStatus(fiber.StatusNotModified)
	}
	r.Set(fiber.HeaderContentType, a.mediaType)
	return r.Send(a.body)
}
