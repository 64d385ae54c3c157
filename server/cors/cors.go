// Package cors decides which web pages of other origins may call the server from a
// browser, and writes the headers by which a browser learns it (the CORS protocol of the
// Fetch standard). It neither reads nor answers requests.
package cors

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxAge is how many seconds a browser may remember the answer to a preflight.
const maxAge = "3600"

// Any allows the pages of every origin.
const Any = "*"

// exposed are the headers of answers that a page may read.
var exposed = strings.Join([]string{"Eigenserve-Variant", "Eigenserve-Basis", "Eigenserve-Function", "Server-Timing", "X-Request-Id", "Retry-After",
	"Location", "Allow", "Inference-Header-Content-Length"}, ", ")

// Policy says which origins may call the server. A nil *Policy allows none.
type Policy struct {
	any     bool
	origins []string // scheme://host[:port], as browsers send them
	hosts   []string // host[:port], over http and https
}

// New returns the policy for a list of origins: "https://app.example", with a port if it is
// not the scheme's; "app.example" for both http and https; or "*" for all. It returns nil
// for an empty list.
func New(origins []string) (*Policy, error) {
	if len(origins) == 0 {
		return nil, nil
	}
	p := &Policy{}
	for _, o := range origins {
		if err := p.add(strings.ToLower(strings.TrimSpace(o))); err != nil {
			return nil, err
		}
	}
	if p.any && len(origins) > 1 {
		return nil, fmt.Errorf("%q stands for all origins: give it alone", Any)
	}
	return p, nil
}

func (p *Policy) add(origin string) error {
	if origin == Any {
		p.any = true
		return nil
	}
	text, hasScheme := origin, strings.Contains(origin, "://")
	if !hasScheme {
		text = "https://" + origin
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(u.Host, "* ,") || origin == "null" {
		return fmt.Errorf("%q is not an origin: give a scheme and a host, such as https://app.example, or * for all", origin)
	}
	if !hasScheme {
		p.hosts = append(p.hosts, u.Host)
		return nil
	}
	host := u.Host
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port) // browsers leave it out
	}
	p.origins = append(p.origins, u.Scheme+"://"+host)
	return nil
}

// IsForAll reports whether pages of every origin are allowed.
func (p *Policy) IsForAll() bool { return p != nil && p.any }

// Allows reports whether pages of an origin may call the server. The empty origin, of a
// request that is no page's, is not allowed: it needs no permission.
func (p *Policy) Allows(origin string) bool {
	if p == nil || origin == "" {
		return false
	}
	if p.any {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	return slices.Contains(p.origins, origin) || (scheme == "http" || scheme == "https") && slices.Contains(p.hosts, host)
}

// Answer sets the headers of any answer to a request from an origin, "" if it names none.
// The browser shows the answer to the page without the user's cookies or certificates.
func (p *Policy) Answer(origin string, set func(name, value string)) {
	if p == nil {
		return
	}
	allowed := Any
	if !p.any {
		set("Vary", "Origin")
		allowed = origin
	}
	if p.Allows(origin) {
		set("Access-Control-Allow-Origin", allowed)
		set("Access-Control-Expose-Headers", exposed)
	}
}

// Preflight is what a browser may do at one path.
type Preflight struct {
	Methods, Headers []string
}

// Answer sets the headers of the answer to the question of a browser whether it may send
// a request. privateNetwork says that it asks for a page of the public internet.
func (f Preflight) Answer(privateNetwork bool, set func(name, value string)) {
	set("Access-Control-Allow-Methods", strings.Join(f.Methods, ", "))
	if len(f.Headers) > 0 {
		set("Access-Control-Allow-Headers", strings.Join(f.Headers, ", "))
	}
	if privateNetwork {
		set("Access-Control-Allow-Private-Network", "true")
	}
	set("Access-Control-Max-Age", maxAge)
}
