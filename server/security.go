package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// contentPolicy lets the page load its own files, show images that it made or
// was given, and call this server: nothing else, nobody else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// setSecurityHeaders sets what every response carries.
func setSecurityHeaders(h *fasthttp.ResponseHeader) {
	h.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// sameOrigin refuses what a browser sends on behalf of another site's page, save
// for reading, which browsers keep from that page anyway: a form elsewhere could
// otherwise add checkpoints to a server on the visitor's own machine.
func (s *Server) sameOrigin(r *request) error {
	switch r.Method() {
	case fiber.MethodGet, fiber.MethodHead:
		return nil
	}
	foreign := false
	if site := r.Get("Sec-Fetch-Site"); site != "" {
		foreign = site != "same-origin" && site != "none"
	} else if origin := r.Get(fiber.HeaderOrigin); origin != "" {
		_, host, _ := strings.Cut(origin, "://")
		foreign = host != r.Get(fiber.HeaderHost)
	}
	if foreign {
		return fiber.NewError(fiber.StatusForbidden, "pages of other sites may not do this")
	}
	return nil
}
