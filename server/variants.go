package server

import (
	"math"
	"net/url"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/auth"
)

// Page sizes of the list of variants.
const (
	defaultPage = 100
	largestPage = 1000
)

// variantPage is one page of the list. Next is the value of ?after= for the page that
// follows, "" on the last page.
type variantPage struct {
	Models []runtime.VariantInfo `json:"models"`
	Next   string                `json:"next"`
}

// listVariants answers GET /v1/models?limit=&after= with the variants that the caller may
// see, by name. With ?search=, ?order=, ?offset= or ?from= it is a search.
func (s *Server) listVariants(r *request) error {
	limit, err := r.number("limit", defaultPage, 1, largestPage)
	if err != nil {
		return err
	}
	q := r.Context().QueryArgs()
	if q.Has("search") || q.Has("order") || q.Has("offset") || q.Has("from") {
		return s.findVariants(r, limit)
	}
	return r.sendJSON(fiber.StatusOK, s.visiblePage(r.caller, utils.CopyString(r.Query("after")), limit))
}

// visiblePage returns a page of the variants that a caller may see. It names no other
// variant, not even as the one that the next page begins after.
func (s *Server) visiblePage(caller *auth.Caller, after string, limit int) variantPage {
	list, next := s.engine.Variants(after, limit)
	page := variantPage{Models: []runtime.VariantInfo{}}
	if caller == nil {
		return variantPage{append(page.Models, list...), next}
	}
	for {
		for _, v := range list {
			if !caller.Sees(v.Name) {
				continue
			}
			if len(page.Models) == limit {
				page.Next = page.Models[limit-1].Name
				return page
			}
			page.Models = append(page.Models, v)
		}
		if next == "" {
			return page
		}
		list, next = s.engine.Variants(next, limit)
	}
}

// findVariants answers GET /v1/models?search=&order=&offset=&from=&limit=.
func (s *Server) findVariants(r *request, limit int) error {
	offset, err := r.number("offset", 0, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	q := runtime.Query{Words: utils.CopyString(r.Query("search")), Order: utils.CopyString(r.Query("order")),
		Offset: offset, From: utils.CopyString(r.Query("from")), Limit: limit}
	if r.caller != nil {
		q.Allow = r.caller.Sees
	}
	found, err := s.engine.Find(q)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, found)
}

// getVariant answers GET /v1/models/{name}.
func (s *Server) getVariant(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	v, err := s.engine.Variant(name)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, v)
}

// putVariant answers PUT /v1/models/{name}: the body is a variant file.
func (s *Server) putVariant(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	file, err := r.body.all()
	if err != nil {
		return err
	}
	if len(file) == 0 {
		return runtime.Errorf(runtime.Invalid, "the body is empty: send a variant file")
	}
	info, replaced, err := s.engine.PutVariant(r.context(), name, file)
	if err != nil {
		return err
	}
	return r.sendAdded(info, replaced)
}

// sendAdded answers with a variant that was added: 201, or 200 if it replaced another.
func (r *request) sendAdded(info runtime.VariantInfo, replaced bool) error {
	if replaced {
		return r.sendJSON(fiber.StatusOK, info)
	}
	r.Location("/v1/models/" + url.PathEscape(info.Name))
	return r.sendJSON(fiber.StatusCreated, info)
}

// deleteVariant answers DELETE /v1/models/{name}.
func (s *Server) deleteVariant(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	if err := s.engine.DeleteVariant(r.context(), name); err != nil {
		return err
	}
	return r.sendNoContent()
}

// pinVariant answers POST /v1/models/{name}/pin: the variant's weights are rebuilt now and
// stay in the cache.
func (s *Server) pinVariant(r *request) error { return s.setPinned(r, true) }

// unpinVariant answers DELETE /v1/models/{name}/pin.
func (s *Server) unpinVariant(r *request) error { return s.setPinned(r, false) }

func (s *Server) setPinned(r *request, pinned bool) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	if err := s.engine.SetPinned(r.context(), name, pinned); err != nil {
		return err
	}
	return r.sendNoContent()
}
