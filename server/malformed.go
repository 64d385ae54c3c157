package server

import (
	"bytes"
	"context"
	"errors"
	"net"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"eigenserve/runtime"
	"eigenserve/server/internal/conns"
)

// answerMalformed answers a request whose head can't be read, and records it like any
// other.
func (s *Server) answerMalformed(ctx *fasthttp.RequestCtx, err error) {
	rec := s.begin(ctx)
	s.answerError(ctx, headError(err))
	if c, ok := ctx.Conn().(*conns.Conn); ok && !c.Used() {
		return // browsers open connections in advance and may never use them
	}
	s.end(ctx, rec)
}

// headError returns the error to answer for one of the HTTP library about a head.
func headError(err error) error {
	var broken net.Error
	switch {
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		return fiber.ErrRequestHeaderFieldsTooLarge
	case !errors.As(err, &broken):
		return fiber.ErrBadRequest
	case broken.Timeout():
		return fiber.ErrRequestTimeout
	}
	return context.Canceled // the connection broke; a client that closes it in the middle of a head gets 400
}

// hasTwoLengths reports whether a head says both how long the body is and that it comes
// in chunks. The HTTP library goes by the chunks; behind a proxy that goes by the length,
// another request could hide in the body.
func hasTwoLengths(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() != -1 { // chunked
		return false
	}
	lines := bytes.ToLower(h.RawHeaders())
	return bytes.HasPrefix(lines, []byte("content-length:")) || bytes.Contains(lines, []byte("\ncontent-length:"))
}

var errTwoLengths = runtime.Errorf(runtime.Invalid, "the body has both a Content-Length and a Transfer-Encoding")

// answerError answers a request that reaches no route with an error.
func (s *Server) answerError(ctx *fasthttp.RequestCtx, err error) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	_ = s.fail(c, err)
}
