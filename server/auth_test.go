package server_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/server"
	"eigenserve/server/auth"
	"eigenserve/server/internal/servertest"
)

// examplePath returns a path that a route matches.
func examplePath(rt server.Route) string {
	return strings.NewReplacer(":variant", "music-1", ":version", "1", ":alias", "current", ":family", "glyphs", ":file", "app.js", "*", "").Replace(rt.Path)
}

// TestEveryRouteHasItsScope sends requests to every route without a token, with a wrong
// one, and with one of each scope.
func TestEveryRouteHasItsScope(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{Tokens: servertest.Tokens(t, "see read", "use infer", "run admin")})
	scopes := map[string]auth.Scope{"see": auth.Read, "use": auth.Infer, "run": auth.Admin}
	for _, rt := range s.Routes() {
		ask := func(headers ...string) servertest.Response {
			return s.Do(t, rt.Method, examplePath(rt), "x", headers...)
		}
		for name, headers := range map[string][]string{
			"no token": nil, "a wrong token": servertest.Bearer("nobody"), "another scheme": {"Authorization", "Basic " + servertest.Secret("run")}, "no scheme": {"Authorization", servertest.Secret("run")},
		} {
			got := ask(headers...)
			if refused := got.Status == http.StatusUnauthorized; refused != (rt.Scope != auth.Open) {
				t.Errorf("%s with %s: got %d %s", rt.Name, name, got.Status, got.Body)
			} else if refused && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s with %s: challenge %q", rt.Name, name, got.Header.Get("WWW-Authenticate"))
			}
		}
		for name, has := range scopes {
			got := ask(servertest.Bearer(name)...)
			if refused := got.Status == http.StatusForbidden; refused != (rt.Scope != auth.Open && has != rt.Scope) {
				t.Errorf("%s with the scope %s: got %d %s", rt.Name, has, got.Status, got.Body)
			} else if refused && !strings.Contains(got.Header.Get("WWW-Authenticate"), `insufficient_scope", scope="`+string(rt.Scope)) {
				t.Errorf("%s with the scope %s: challenge %q", rt.Name, has, got.Header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestTokenForSomeModels(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{Tokens: servertest.Tokens(t, `sans read,infer,admin "sans-*"`)})
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
		if got := s.Do(t, method, path, checkpoint, append(servertest.Bearer("sans"), "Content-Type", formTypeFor(path, formType))...); got.Status != test.status {
			t.Errorf("%s: got %d %s, want %d", test.line, got.Status, got.Body, test.status)
		}
	}
	if got := s.Do(t, "GET", "/v1/models", "", servertest.Bearer("sans")...); strings.Contains(got.Body, "music-1") || !strings.Contains(got.Body, "sans-lao") {
		t.Errorf("the list: %s", got.Body)
	}
	if got := s.Do(t, "GET", "/v1/models?search=1", "", servertest.Bearer("sans")...); got.Body != `{"models":[],"offset":0,"total":0}` {
		t.Errorf("a search: %s", got.Body)
	}
	if got := s.Do(t, "GET", "/v1/models?limit=1", "", servertest.Bearer("sans")...); strings.Contains(got.Body, "music-1") || !strings.Contains(got.Body, `"next":"sans-lao"`) {
		t.Errorf("a page of one: %s", got.Body)
	}
	if got := s.Do(t, "GET", "/v1/families", "", servertest.Bearer("sans")...); !strings.Contains(got.Body, `"variants":4`) {
		t.Errorf("want a count of the four variants it sees: %s", got.Body)
	}
	for body, status := range map[string]int{`{"model":"sans-lao"}`: 201, `{"model":"music-1"}`: 403, `{"targets":[{"model":"sans-lao","weight":1},{"model":"music-1","weight":1}]}`: 403} {
		if got := s.Do(t, "PUT", "/v1/aliases/sans-alias", body, servertest.Bearer("sans")...); got.Status != status {
			t.Errorf("alias %s: got %d %s", body, got.Status, got.Body)
		}
	}
	if got := s.Do(t, "GET", "/v1/aliases", "", servertest.Bearer("sans")...); strings.Contains(got.Body, "current") || !strings.Contains(got.Body, "sans-alias") {
		t.Errorf("the aliases: %s", got.Body)
	}
	if got := s.Do(t, "POST", "/v2/repository/index", "", servertest.Bearer("sans")...); strings.Contains(got.Body, "music-1") || !strings.Contains(got.Body, "sans-lao") {
		t.Errorf("the index: %s", got.Body)
	}
	if got := s.Do(t, "GET", "/v2/models/stats", "", servertest.Bearer("sans")...); got.Body != `{"model_stats":[]}` {
		t.Errorf("statistics: %s", got.Body)
	}
	if f.Arrived() != 2 {
		t.Errorf("%d uploads arrived", f.Arrived())
	}
}

// formTypeFor returns formType for a route that reads a form.
func formTypeFor(path, formType string) string {
	if strings.Contains(path, "/families/") {
		return formType
	}
	return "application/octet-stream"
}

func TestTokensAreReloaded(t *testing.T) {
	file := servertest.TokenFile(t, "old read")
	tokens, err := auth.OpenTokens(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tokens.CheckEvery(0) // look at the file for each request
	s := start(t, servertest.NewEngine(), server.Options{Tokens: tokens})
	ask := func(name string) int { return s.Do(t, "GET", "/v1/models", "", servertest.Bearer(name)...).Status }
	if ask("old") != 200 || ask("new") != 401 {
		t.Fatal("the first file is not used")
	}
	replace := func(from string) {
		t.Helper()
		if err := os.Rename(from, file); err != nil {
			t.Fatal(err)
		}
	}
	replace(servertest.TokenFile(t, "new read", "more read"))
	if ask("old") != 401 || ask("new") != 200 {
		t.Error("a changed file is not read")
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("tokens: [{nam: x}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	replace(broken)
	if ask("new") != 200 {
		t.Error("a broken file replaced the tokens")
	}
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "nam") {
		t.Errorf("Reload: %v", err)
	}
}

// TestOnlyKnownHosts refuses a web site that makes its name resolve to this server.
func TestOnlyKnownHosts(t *testing.T) {
	guarded := start(t, servertest.NewEngine(), server.Options{Hosts: []string{"models.example"}})
	free := start(t, servertest.NewEngine(), server.Options{})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:80": 200, "a.localhost:1": 200, "[::1]:8080": 200, "[::1]": 200, "192.0.2.7": 200,
		"models.example": 200, "Models.Example:443": 200,
		"attacker.example": 421, "attacker.example:8080": 421, "localhost.attacker.example": 421, "127.0.0.1.attacker.example": 421, "notlocalhost": 421, "x": 421,
	} {
		ask := "GET /v1/models HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n"
		if got := servertest.Status(guarded.Dial(t, ask)); got != want {
			t.Errorf("host %q: got %d, want %d", host, got, want)
		}
		if got := servertest.Status(free.Dial(t, ask)); got != 200 {
			t.Errorf("host %q on a server for all hosts: got %d", host, got)
		}
	}
}
