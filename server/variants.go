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

// variantPage is one page of the list. Next is what ?after= must say for the
// page that follows, "" on the last.
type variantPage struct {
	Models []runtime.VariantInfo `json:"models"`
	Next   string                `json:"next"`
}

// listVariants answers GET /v1/models?limit=&after= with what the caller's token
// is for, by name; or a search, where ?search=, ?order=, ?offset= or ?from= asks for one.
func (s *Server) listVariants(r *request) error {
	limit, err := r.number("limit", defaultPage, 1, largestPage)
	if err != nil {
		return err
	}
	q := r.Context().QueryArgs()
	if q.Has("search") || q.Has("order") || q.Has("offset") || q.Has("from") {
		return s.findVariants(r, limit)
	}
	return r.answer(fiber.StatusOK, s.visible(r.caller, utils.CopyString(r.Query("after")), limit))
}

// visible is a page of what a caller may see. It names nothing else, not even as
// the place where the next page begins.
func (s *Server) visible(caller *auth.Caller, after string, limit int) variantPage {
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
	return r.answer(fiber.StatusOK, found)
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
	return r.answer(fiber.StatusOK, v)
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
	return r.added(info, replaced)
}

// added answers with what was added: 201, or 200 where it replaced another.
func (r *request) added(info runtime.VariantInfo, replaced bool) error {
	if replaced {
		return r.answer(fiber.StatusOK, info)
	}
	r.Location("/v1/models/" + url.PathEscape(info.Name))
	return r.answer(fiber.StatusCreated, info)
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
	return r.nothing()
}

// pinVariant answers POST /v1/models/{name}/pin: its weights are rebuilt now and
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
	return r.nothing()
}
