package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// CheckHost returns an error if a request's Host header names none of hosts. Addresses
// and localhost are always allowed, and so is any host if hosts is nil. A web site can
// make its own name resolve to 127.0.0.1, and its page would then have the same origin as
// a server on the visitor's machine; with an address or localhost it can't.
func CheckHost(header string, hosts []string) error {
	if hosts == nil || LocalHost(header) {
		return nil
	}
	host := hostname(header)
	if slices.ContainsFunc(hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return nil
	}
	return &Denied{Status: http.StatusMisdirectedRequest, Text: fmt.Sprintf("this server does not go by the name %.255q; --hosts sets its names", host)}
}

// LocalHost reports whether a Host header is an address or localhost, which no web site
// can claim as its name.
func LocalHost(header string) bool {
	host := strings.ToLower(hostname(header))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostname returns the name in a Host header, without port and brackets.
func hostname(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
}

// CheckOrigin returns an error for a request that a browser sends on behalf of a page of
// another site: a form there could otherwise add checkpoints to a server on the visitor's
// own machine. Reading is allowed, since browsers keep the answers from that page. It is
// not for pages that package cors allows. The arguments are the method and the headers
// Sec-Fetch-Site, Origin and Host.
func CheckOrigin(method, fetchSite, origin, host string) error {
	switch method {
	case http.MethodGet, http.MethodHead:
		return nil
	}
	foreign := false
	if fetchSite != "" {
		foreign = fetchSite != "same-origin" && fetchSite != "none"
	} else if origin != "" {
		_, from, _ := strings.Cut(origin, "://")
		foreign = from != host
	}
	if foreign {
		return ErrForeignPage
	}
	return nil
}

// ErrForeignPage is the error for a request of a page that may not send it.
var ErrForeignPage = &Denied{Status: http.StatusForbidden, Text: "pages of other sites may not do this; the server's --cors-origins names those that may"}
