package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// CheckOrigin refuses what a browser sends on behalf of another site's page, save
// for reading, which browsers keep from that page anyway: a form elsewhere could
// otherwise add checkpoints to a server on the visitor's own machine.
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
		return &Denied{Status: http.StatusForbidden, Text: "pages of other sites may not do this"}
	}
	return nil
}

// CheckHost refuses a request for a host that is not this server's, where hosts
// are held to: a site can let its own name resolve to 127.0.0.1 and so make its
// page of one origin with a server on the visitor's machine. Addresses can't be
// rebound like that, and localhost is nobody else's.
func CheckHost(header string, hosts []string) error {
	if hosts == nil || LocalHost(header) {
		return nil
	}
	host := hostname(header)
	if slices.ContainsFunc(hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return nil
	}
	return &Denied{Status: http.StatusMisdirectedRequest, Text: fmt.Sprintf("this server is not %.255q; its names are set by --hosts", host)}
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
