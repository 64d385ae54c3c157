package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eigenserve/server"
	"eigenserve/server/cors"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/wire"
)

// policy returns the policy for some origins.
func policy(t *testing.T, origins ...string) *cors.Policy {
	t.Helper()
	p, err := cors.New(origins)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const app = "https://app.example"

func TestPreflight(t *testing.T) {
	const traced = "Traceparent, Tracestate, X-Request-Id"
	open := server.Options{CORS: policy(t, app)}
	guarded := server.Options{CORS: policy(t, app), Tokens: servertest.Tokens(t, "see read")}
	for _, test := range []struct {
		name                   string
		o                      server.Options
		path, origin           string
		status                 int
		allow, methods, accept string
	}{
		{"classify", open, "/v1/models/music-1/classify", app, 204, app, "POST", "Content-Encoding, Content-Type, Eigenserve-Deadline-Ms, " + traced},
		{"infer", open, "/v2/models/music-1/infer", app, 204, app, "POST", "Content-Encoding, Content-Type, Eigenserve-Deadline-Ms, Inference-Header-Content-Length, " + traced},
		{"a model", open, "/v1/models/music-1", app, 204, app, "GET, HEAD, PUT, DELETE", "Content-Encoding, Content-Type, " + traced},
		{"the list", open, "/v1/models", app, 204, app, "GET, HEAD", traced},
		{"with tokens", guarded, "/v1/models", app, 204, app, "GET, HEAD", "Authorization, " + traced},
		{"any origin", server.Options{CORS: policy(t, "*")}, "/v1/models", app, 204, "*", "GET, HEAD", traced},
		{"another origin", open, "/v1/models", "https://evil.example", 403, "", "", ""},
		{"a sandboxed frame", open, "/v1/models", "null", 403, "", "", ""},
		{"no such route", open, "/v1/none", app, 404, app, "", ""},
		{"without the setting", server.Options{}, "/v1/models", app, 403, "", "", ""},
		{"for another host", server.Options{CORS: policy(t, "*"), Hosts: []string{"models.example"}}, "/v1/models", app, 204, "*", "GET, HEAD", traced},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, servertest.NewEngine(), test.o)
			got := s.Do(t, "OPTIONS", test.path, "", "Origin", test.origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
			if got.Status != test.status || (got.Status == 204) != (got.Body == "") {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
			}
			if test.status == 403 && !strings.Contains(got.Body, "--cors-origins") {
				t.Errorf("the error does not name the setting: %s", got.Body)
			}
			maxAge, vary := "3600", "Origin"
			if test.status != 204 {
				maxAge = ""
			}
			if test.o.CORS == nil || test.o.CORS.IsForAll() {
				vary = ""
			}
			for name, want := range map[string]string{"Access-Control-Allow-Origin": test.allow, "Access-Control-Allow-Methods": test.methods,
				"Access-Control-Allow-Headers": test.accept, "Access-Control-Max-Age": maxAge, "Vary": vary, "Access-Control-Allow-Credentials": ""} {
				if value := got.Header.Get(name); value != want {
					t.Errorf("%s: got %q, want %q", name, value, want)
				}
			}
		})
	}
	s := start(t, servertest.NewEngine(), server.Options{CORS: policy(t, "*"), Hosts: []string{}})
	c := s.Dial(t, "OPTIONS /v1/models HTTP/1.1\r\nHost: rebound.example\r\nOrigin: "+app+"\r\nAccess-Control-Request-Method: GET\r\n\r\n")
	if got := servertest.Status(c); got != 421 {
		t.Errorf("for a host that is not the server's: got %d", got)
	}
}

// TestSharedAnswers checks that answers and errors of all kinds may be read by pages of an
// allowed origin, and of no other.
func TestSharedAnswers(t *testing.T) {
	for _, allowed := range []string{app, "*"} {
		f := servertest.NewEngine()
		s := start(t, f, server.Options{CORS: policy(t, allowed), Tokens: servertest.Tokens(t, "all read,infer,admin"), ImageLimit: 100})
		for _, test := range []struct {
			method, path, body, token string
			status                    int
		}{
			{"POST", "/v1/models/music-1/classify", "image", "all", 200},
			{"POST", "/v1/models/music-1/classify", strings.Repeat("x", 200), "all", 413},
			{"POST", "/v1/models/nobody/classify", "image", "all", 404},
			{"GET", "/v1/models", "", "all", 200},
			{"GET", "/v1/models", "", "", 401},
			{"PUT", "/v1/models/new", "file", "all", 201},
			{"DELETE", "/v1/models/sans-lao", "", "all", 204},
			{"GET", "/none", "", "", 404},
			{"PATCH", "/v1/models", "", "", 405},
			{"BREW", "/v1/models", "", "", 501},
		} {
			if test.method == "PUT" && allowed == "*" {
				continue // it was added by the first
			}
			headers := []string{"Origin", app, "Sec-Fetch-Site", "cross-site"}
			if test.token != "" {
				headers = append(headers, servertest.Bearer(test.token)...)
			}
			got := s.Do(t, test.method, test.path, test.body, headers...)
			if got.Status != test.status || got.Header.Get("Access-Control-Allow-Origin") != allowed || !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), strings.Join([]string{wire.HeaderVariant, wire.HeaderBasis, wire.HeaderFunction, wire.HeaderTiming, "X-Request-Id, Retry-After"}, ", ")) {
				t.Errorf("%s %s: got %d %v %s, want %d", test.method, test.path, got.Status, got.Header, got.Body, test.status)
			}
			if got.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s allows credentials", test.method, test.path)
			}
		}
		if allowed == "*" {
			continue
		}
		got := s.Do(t, "POST", "/v1/models/music-1/classify", "image", append(servertest.Bearer("all"), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")...)
		if got.Status != 403 || !strings.Contains(got.Body, "--cors-origins") || got.Header.Get("Access-Control-Allow-Origin") != "" || got.Header.Get("Vary") != "Origin" {
			t.Errorf("another origin: got %d %v %s", got.Status, got.Header, got.Body)
		}
		if got := s.Do(t, "OPTIONS", "/v1/models", ""); got.Status != 204 || got.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS of a program: got %d %v", got.Status, got.Header)
		}
	}
}

// TestPageOfAnotherOrigin has a page of another origin ask a model in a real browser.
func TestPageOfAnotherOrigin(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><p>page</p>") }))
	defer page.Close()
	tokens := servertest.Tokens(t, "use infer")
	for _, test := range []struct {
		name    string
		origins []string
		want    string
	}{
		{"its origin", []string{page.URL}, "200 music-1@d1"},
		{"all origins", []string{"*"}, "200 music-1@d1"},
		{"another origin", []string{app}, "TypeError"},
		{"none", nil, "TypeError"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := servertest.NewEngine()
			s := start(t, f, server.Options{CORS: policy(t, test.origins...), Tokens: tokens})
			b := openBrowser(t, page.URL)
			eval[bool](t, b, fmt.Sprintf(`(fetch(%q, {method: "POST", body: "image", headers: {Authorization: "Bearer %s", "Content-Type": "image/png", "Eigenserve-Deadline-Ms": "9000"}})
				.then(async r => { await r.json(); window.got = r.status + " " + r.headers.get("Eigenserve-Variant"); }, e => { window.got = e.name; }), true)`,
				s.URL+"/v1/models/music-1/classify", servertest.Secret("use")))
			b.until(t, "window.got")
			if got := eval[string](t, b, "window.got"); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
