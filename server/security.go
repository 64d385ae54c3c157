package server

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
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
		return &denial{status: fiber.StatusForbidden, text: "pages of other sites may not do this"}
	}
	return nil
}

// knownHost refuses a request for a host that is not this server's, where hosts
// are held to: a site can let its own name resolve to 127.0.0.1 and so make its
// page of one origin with a server on the visitor's machine. Addresses can't be
// rebound like that, and localhost is nobody else's.
func (s *Server) knownHost(r *request) error {
	if s.options.Hosts == nil || LocalHost(r.Get(fiber.HeaderHost)) {
		return nil
	}
	host := hostname(r.Get(fiber.HeaderHost))
	if slices.ContainsFunc(s.options.Hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return nil
	}
	return &denial{status: fiber.StatusMisdirectedRequest, text: fmt.Sprintf("this server is not %.255q; its names are set by --hosts", host)}
}

// LocalHost tells whether a Host header has an address or localhost, names that
// no site can take for its own.
func LocalHost(header string) bool {
	host := strings.ToLower(hostname(header))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostname is a Host header's name without its port and brackets.
func hostname(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
}
