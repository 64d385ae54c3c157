package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"eigenserve/server/auth"
	"eigenserve/server/hint"
	"eigenserve/server/wire"
)

// problem is the body of every response that is an error.
type problem struct {
	Error string `json:"error"`
}

// fail answers a request with an error. No other function does, even for errors of the
// HTTP library: unknown routes, wrong methods, malformed heads.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	status, text := s.describe(c, err)
	recordOf(c.Context()).fault = text
	if after := wire.RetryAfter(err); after > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(after))
	}
	var denied *auth.Denied
	if errors.As(err, &denied) && denied.Challenge != "" {
		c.Set(fiber.HeaderWWWAuthenticate, denied.Challenge)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(problem{text})
}

// lists says where the names of a kind are listed.
var lists = map[string]string{"model": "GET /v1/models lists them", "alias": "GET /v1/aliases lists them", "family": "GET /v1/families lists them"}

// describe returns the status of an error and the text that the caller is shown. Internal
// errors are logged, and their text is not shown.
func (s *Server) describe(c *fiber.Ctx, err error) (status int, text string) {
	var library *fiber.Error
	var denied *auth.Denied
	known, answer, ok := wire.Lookup(err)
	switch {
	case errors.As(err, &denied):
		return denied.Status, denied.Text
	case ok:
		if answer.Log {
			s.logFault(c, err)
		}
		text = known.Text + known.Advice(recordOf(c.Context()).caller.Sees, lists)
		if strings.HasPrefix(c.Path(), "/v2") {
			return answer.OIP, text
		}
		return answer.REST, text
	case errors.As(err, &library):
		if recordOf(c.Context()).route == noRoute {
			return s.describeNoRoute(c, library)
		}
		return library.Code, libraryText(library)
	case errors.Is(err, context.Canceled):
		return wire.StatusClientClosed, "the request was canceled"
	default:
		s.logFault(c, err)
		return fiber.StatusInternalServerError, "internal error"
	}
}

// describeNoRoute is describe for a request that no route is for: it says what there is
// instead.
func (s *Server) describeNoRoute(c *fiber.Ctx, err *fiber.Error) (status int, text string) {
	if err.Code != fiber.StatusNotFound && err.Code != fiber.StatusMethodNotAllowed {
		return err.Code, libraryText(err)
	}
	if s.options.CORS == nil && isPreflight(c) {
		return auth.ErrForeignPage.Status, auth.ErrForeignPage.Text
	}
	advice, missing := hint.For(c.Method(), string(c.Context().URI().PathOriginal()))
	if missing {
		c.Response().Header.Del(fiber.HeaderAllow)
		err = fiber.ErrNotFound
	}
	text = libraryText(err)
	if advice == "" && err.Code == fiber.StatusMethodNotAllowed {
		advice = "use " + string(c.Response().Header.Peek(fiber.HeaderAllow))
	}
	if advice != "" {
		text += "; " + advice
	}
	return err.Code, text
}

func (s *Server) logFault(c *fiber.Ctx, err error) {
	s.log.Error("request failed", "id", recordOf(c.Context()).id, "method", c.Method(), "path", c.Path(), "error", err.Error())
}

// libraryText returns a text for an error of the HTTP library, whose own may quote the
// request or its buffers.
func libraryText(err *fiber.Error) string {
	switch err.Code {
	case fiber.StatusNotFound:
		return "no such route"
	case fiber.StatusRequestTimeout:
		return "the request arrived too slowly"
	default:
		return strings.ToLower(http.StatusText(err.Code))
	}
}
