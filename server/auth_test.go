package server

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/server/auth"
)

// secret is the token of a name in the files that tests write.
func secret(name string) string { return name + "-" + strings.Repeat("s", 20) }

// tokenFile writes tokens, one for each line "name scopes models rate".
func tokenFile(t *testing.T, lines ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("tokens:\n")
	for _, line := range lines {
		part := append(strings.Fields(line), "", "null")
		fmt.Fprintf(&b, "  - {name: %s, sha256: %x, scopes: [%s], models: [%s], rate: %s}\n", part[0], sha256.Sum256([]byte(secret(part[0]))), part[1], part[2], part[3])
	}
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func openTokens(t *testing.T, lines ...string) *auth.Tokens {
	t.Helper()
	tokens, err := auth.OpenTokens(tokenFile(t, lines...), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func bearer(name string) []string { return []string{"Authorization", "Bearer " + secret(name)} }

// someAddress is a route's path with names in the place of its parameters.
func (rt route) someAddress() string {
	return strings.NewReplacer(":variant", "music-1", ":version", "1", ":alias", "current", ":family", "glyphs", ":file", "app.js", "*", "").Replace(rt.path)
}

// TestEveryRouteHasItsScope asks every route without a token, with a wrong one,
// and with one of each scope.
func TestEveryRouteHasItsScope(t *testing.T) {
	s := start(t, newFake(), Options{Tokens: openTokens(t, "see read", "use infer", "run admin")})
	scopes := map[string]auth.Scope{"see": auth.Read, "use": auth.Infer, "run": auth.Admin}
	for _, rt := range s.routes() {
		ask := func(headers ...string) reply { return s.do(t, rt.method, rt.someAddress(), "x", headers...) }
		for name, headers := range map[string][]string{
			"no token": nil, "a wrong token": bearer("nobody"), "another scheme": {"Authorization", "Basic " + secret("run")}, "no scheme": {"Authorization", secret("run")},
		} {
			got := ask(headers...)
			if refused := got.status == http.StatusUnauthorized; refused != (rt.scope != auth.Open) {
				t.Errorf("%s with %s: got %d %s", rt.name, name, got.status, got.body)
			} else if refused && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s with %s: challenge %q", rt.name, name, got.header.Get("WWW-Authenticate"))
			}
		}
		for name, has := range scopes {
			got := ask(bearer(name)...)
			if refused := got.status == http.StatusForbidden; refused != (rt.scope != auth.Open && has != rt.scope) {
				t.Errorf("%s with the scope %s: got %d %s", rt.name, has, got.status, got.body)
			} else if refused && !strings.Contains(got.header.Get("WWW-Authenticate"), `insufficient_scope", scope="`+string(rt.scope)) {
				t.Errorf("%s with the scope %s: challenge %q", rt.name, has, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestTokenForSomeModels(t *testing.T) {
	f := newFake()
	s := start(t, f, Options{Tokens: openTokens(t, `sans read,infer,admin "sans-*"`)})
	checkpoint, formType := form(t, "model", "M", "config", "{}")
	tests := []struct {
		line   string
		status int
	}{
		{"POST /v1/models/sans-lao/classify", 200},
		{"POST /v1/models/music-1/classify", 403},
		{"POST /v1/models/music%2D1/classify", 403},
		{"GET /v1/models/sans-lao", 200},
		{"GET /v1/models/music-1", 403},
		{"GET /v1/models/nobody", 403},
		{"GET /v1/models/sans-lao:1", 200},
		{"GET /v1/models/music-1:1", 403},
		{"POST /v1/models/music-1@d1000000/classify", 403},
		{"GET /v1/models/music-1/versions", 403},
		{"DELETE /v1/models/music-1/versions/1", 403},
		{"GET /v1/aliases/current", 403},
		{"GET /v2/models/sans-lao", 200},
		{"GET /v2/models/music-1", 403},
		{"GET /v2/models/music-1/ready", 403},
		{"GET /v2/models/music-1/stats", 403},
		{"POST /v2/models/music-1/infer", 403},
		{"POST /v2/models/music-1/versions/1/infer", 403},
		{"POST /v2/repository/models/music-1/load", 403},
		{"POST /v2/repository/models/music-1/unload", 403},
		{"DELETE /v1/aliases/current", 403},
		{"GET /v1/memory", 403},
		{"GET /metrics", 403},
		{"PUT /v1/models/sans-new", 201},
		{"PUT /v1/models/new", 403},
		{"DELETE /v1/models/music-1", 403},
		{"POST /v1/models/music-1/pin", 403},
		{"POST /v1/families/glyphs/models/new", 403},
		{"POST /v1/families/glyphs/models/sans-other", 201},
	}
	for _, test := range tests {
		method, path, _ := strings.Cut(test.line, " ")
		if got := s.do(t, method, path, checkpoint, append(bearer("sans"), "Content-Type", formTypeFor(path, formType))...); got.status != test.status {
			t.Errorf("%s: got %d %s, want %d", test.line, got.status, got.body, test.status)
		}
	}
	if got := s.do(t, "GET", "/v1/models", "", bearer("sans")...); strings.Contains(got.body, "music-1") || !strings.Contains(got.body, "sans-lao") {
		t.Errorf("the list: %s", got.body)
	}
	if got := s.do(t, "GET", "/v1/models?search=1", "", bearer("sans")...); got.body != `{"models":[],"offset":0,"total":0}` {
		t.Errorf("a search: %s", got.body)
	}
	if got := s.do(t, "GET", "/v1/models?limit=1", "", bearer("sans")...); strings.Contains(got.body, "music-1") || !strings.Contains(got.body, `"next":"sans-lao"`) {
		t.Errorf("a page of one: %s", got.body)
	}
	if got := s.do(t, "GET", "/v1/families", "", bearer("sans")...); !strings.Contains(got.body, `"variants":4`) {
		t.Errorf("of five variants it sees four: %s", got.body)
	}
	for body, status := range map[string]int{`{"model":"sans-lao"}`: 201, `{"model":"music-1"}`: 403, `{"targets":[{"model":"sans-lao","weight":1},{"model":"music-1","weight":1}]}`: 403} {
		if got := s.do(t, "PUT", "/v1/aliases/sans-alias", body, bearer("sans")...); got.status != status {
			t.Errorf("alias %s: got %d %s", body, got.status, got.body)
		}
	}
	if got := s.do(t, "GET", "/v1/aliases", "", bearer("sans")...); strings.Contains(got.body, "current") || !strings.Contains(got.body, "sans-alias") {
		t.Errorf("the aliases: %s", got.body)
	}
	if got := s.do(t, "POST", "/v2/repository/index", "", bearer("sans")...); strings.Contains(got.body, "music-1") || !strings.Contains(got.body, "sans-lao") {
		t.Errorf("the index: %s", got.body)
	}
	if got := s.do(t, "GET", "/v2/models/stats", "", bearer("sans")...); got.body != `{"model_stats":[]}` {
		t.Errorf("statistics: %s", got.body)
	}
	if f.arrived() != 2 {
		t.Errorf("%d uploads arrived", f.arrived())
	}
}

// formTypeFor is the content type of a form where a form is read.
func formTypeFor(path, formType string) string {
	if strings.Contains(path, "/families/") {
		return formType
	}
	return "application/octet-stream"
}

func TestTokensFollowTheirFile(t *testing.T) {
	file := tokenFile(t, "old read")
	tokens, err := auth.OpenTokens(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tokens.CheckEvery(0) // look at it each time
	s := start(t, newFake(), Options{Tokens: tokens})
	ask := func(name string) int { return s.do(t, "GET", "/v1/models", "", bearer(name)...).status }
	if ask("old") != 200 || ask("new") != 401 {
		t.Fatal("the first file does not hold")
	}
	replace := func(from string) {
		t.Helper()
		if err := os.Rename(from, file); err != nil {
			t.Fatal(err)
		}
	}
	replace(tokenFile(t, "new read", "more read"))
	if ask("old") != 401 || ask("new") != 200 {
		t.Error("a changed file is not read")
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("tokens: [{nam: x}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	replace(broken)
	if ask("new") != 200 {
		t.Error("a broken file takes the tokens away")
	}
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "nam") {
		t.Errorf("Reload: %v", err)
	}
}

// TestOnlyKnownHosts keeps a site away that lets its name resolve to this server.
func TestOnlyKnownHosts(t *testing.T) {
	guarded := start(t, newFake(), Options{Hosts: []string{"models.example"}})
	free := start(t, newFake(), Options{})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:80": 200, "a.localhost:1": 200, "[::1]:8080": 200, "[::1]": 200, "192.0.2.7": 200,
		"models.example": 200, "Models.Example:443": 200,
		"attacker.example": 421, "attacker.example:8080": 421, "localhost.attacker.example": 421, "127.0.0.1.attacker.example": 421, "notlocalhost": 421, "x": 421,
	} {
		ask := "GET /v1/models HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n"
		if got := status(guarded.raw(t, ask)); got != want {
			t.Errorf("host %q: got %d, want %d", host, got, want)
		}
		if got := status(free.raw(t, ask)); got != 200 {
			t.Errorf("host %q on a server for any: got %d", host, got)
		}
	}
}
