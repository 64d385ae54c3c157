package server

import (
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// entry returns a handler that sees every request before and after next, including
// those that no route is for. It sets the headers that all responses carry, measures and
// logs, and closes a connection on which bytes of a body are left: they would be read as
// the next request.
func (s *Server) entry(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	known := make(map[string]bool)
	for _, m := range s.app.Config().RequestMethods {
		known[m] = true
	}
	return func(ctx *fasthttp.RequestCtx) {
		rec := s.begin(ctx)
		b := newBody(ctx, s.options.ReadTimeout, s.bodies)
		rec.body = b
		defer b.release()
		switch {
		case hasTwoLengths(&ctx.Request.Header):
			s.answerError(ctx, errTwoLengths)
		case known[string(ctx.Method())]:
			next(ctx)
		default: // Fiber would answer with plain text
			ctx.SetStatusCode(fiber.StatusNotImplemented)
			ctx.SetContentType(fiber.MIMEApplicationJSON)
			ctx.SetBodyString(`{"error":"unknown method"}`)
		}
		if !b.isComplete() {
			ctx.SetConnectionClose()
			b.linger()
		}
		s.end(ctx, rec)
	}
}

// begin is called first for every request, and end last.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *record {
	rec := newRecord(ctx)
	setSecurityHeaders(&ctx.Response.Header)
	ctx.Response.Header.Set(headerRequestID, rec.id)
	s.options.CORS.Answer(string(ctx.Request.Header.Peek(fiber.HeaderOrigin)), ctx.Response.Header.Set)
	return rec
}

func (s *Server) end(ctx *fasthttp.RequestCtx, rec *record) {
	s.metrics.observe(rec.route, ctx.Response.StatusCode(), time.Since(rec.began))
	s.logRequest(ctx, rec)
	rec.endSpan(ctx.Response.StatusCode())
}

// contentPolicy allows the page to load its own files, to show images that it made or
// was given, and to call this server; nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// setSecurityHeaders sets the security headers that every response carries.
func setSecurityHeaders(h *fasthttp.ResponseHeader) {
	h.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
