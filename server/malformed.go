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

// unread answers a request whose head can't be read, and tells of it as of any other.
func (s *Server) unread(ctx *fasthttp.RequestCtx, err error) {
	x := s.begin(ctx)
	s.refuse(ctx, headError(err))
	if c, ok := ctx.Conn().(*conns.Conn); ok && !c.Used() {
		return // browsers open some in advance and may never use them
	}
	s.end(ctx, x)
}

// headError says in our words why a head can't be read.
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
	return context.Canceled // the line broke; a client that closes in the middle is told 400, as in a body
}

// framedTwice tells whether a head gives its body both a length and chunks. The HTTP
// library takes the chunks; a proxy that takes the length would see another request
// behind it.
func framedTwice(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() != -1 { // of chunks
		return false
	}
	lines := bytes.ToLower(h.RawHeaders())
	return bytes.HasPrefix(lines, []byte("content-length:")) || bytes.Contains(lines, []byte("\ncontent-length:"))
}

var errFramedTwice = runtime.Errorf(runtime.Invalid, "the body has both a Content-Length and a Transfer-Encoding")

// refuse answers a request that no route sees with an error.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	_ = s.fail(c, err)
}
