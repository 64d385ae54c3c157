package server_test

import (
	"bufio"
	"bytes"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logLine is a line of the access log.
type logLine struct {
	Level, Msg, ID, Method, Path, Route, Token, Variant, Error string
	Status                                                     int
	In                                                         int64
	Out                                                        int
}

// accessLog starts a server that logs every request as JSON. lines returns what it has
// written so far.
func accessLog(t *testing.T, o server.Options) (s *running, lines func() []logLine) {
	t.Helper()
	buffer := &servertest.Log{}
	o.AccessLog = true
	s = startLogging(t, servertest.NewEngine(), o, slog.New(slog.NewJSONHandler(buffer, nil)))
	return s, func() (out []logLine) {
		for line := range strings.Lines(buffer.String()) {
			var l logLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			out = append(out, l)
		}
		return out
	}
}

func TestAccessLog(t *testing.T) {
	s, lines := accessLog(t, server.Options{Tokens: servertest.Tokens(t, "ci read,infer")})
	ask := func(method, path, body string, headers ...string) servertest.Response {
		return s.Do(t, method, path, body, append(servertest.Bearer("ci"), headers...)...)
	}
	ask("POST", "/v1/models/music-1/classify", "image", "X-Request-Id", "mine-1")
	ask("GET", "/v1/models/nobody", "")
	ask("DELETE", "/v1/models/music-1", "")
	ask("GET", "/none?x=%0A", "")
	ask("GET", "/v2/health/live", "") // at debug level, and not written
	ask("GET", "/v1/models/a%0Ab", "")
	got := lines()
	want := []logLine{
		{Status: 200, Method: "POST", Path: "/v1/models/music-1/classify", Route: "classify", Token: "ci", ID: "mine-1", In: 5, Variant: "music-1@d1" + strings.Repeat("0", 62)},
		{Status: 404, Method: "GET", Path: "/v1/models/nobody", Route: "variant", Token: "ci", Error: `no variant "nobody"; GET /v1/models lists them`},
		{Status: 403, Method: "DELETE", Path: "/v1/models/music-1", Route: "delete_variant", Error: `token "ci" lacks the scope "admin"`},
		{Status: 404, Method: "GET", Path: "/none", Route: "none", Error: "no such route"},
		{Status: 400, Method: "GET", Path: "/v1/models/a%0Ab", Route: "variant", Token: "ci", Error: `"a\nb" is not a valid variant name`},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines: %+v", len(got), got)
	}
	for i, w := range want {
		g := got[i]
		if w.ID == "" {
			w.ID = g.ID
		}
		w.Level, w.Msg, w.Out = "INFO", "request", g.Out
		if g != w || g.Out == 0 || len(g.ID) < 6 {
			t.Errorf("line %d\n got %+v\nwant %+v", i, g, w)
		}
	}
	if strings.Contains(s.Log.String(), servertest.Secret("ci")) {
		t.Error("the log holds a token")
	}
}

// A request whose head can't be read has a line, too. A connection that is opened and not
// used has none.
func TestAccessLogOfMalformedRequests(t *testing.T) {
	s, lines := accessLog(t, server.Options{ReadTimeout: 250 * time.Millisecond})
	for _, sent := range []string{"hello\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", "GET / HT", ""} {
		res, err := http.ReadResponse(bufio.NewReader(s.Dial(t, sent)), nil)
		if err != nil || res.Header.Get("X-Request-Id") == "" || res.Header.Get("X-Content-Type-Options") == "" {
			t.Errorf("%.20q: %+v, %v", sent, res, err)
		}
	}
	s.Do(t, "GET", "/v1/models", "")
	var got []logLine
	for _, l := range lines() {
		if len(l.ID) != 24 || l.Out == 0 {
			t.Errorf("%+v", l)
		}
		got = append(got, logLine{Status: l.Status, Method: l.Method, Path: l.Path, Route: l.Route, Error: l.Error})
	}
	want := []logLine{{Status: 400, Route: "none", Error: "bad request"}, {Status: 431, Route: "none", Error: "request header fields too large"},
		{Status: 408, Route: "none", Error: "the request arrived too slowly"}, {Status: 200, Method: "GET", Path: "/v1/models", Route: "variants"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := s.Do(t, "GET", "/metrics", "").Body; !strings.Contains(text, `eigenserve_http_request_duration_seconds_count{route="none",status="431"} 1`) {
		t.Error("the metrics lack it")
	}
}

func TestRequestIDs(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	own := regexp.MustCompile(`^[0-9a-f]{24}$`)
	for given, kept := range map[string]bool{
		"abc": true, "0af7651916cd43dd8448eb211c80319c": true, "A-b_c.d:1": true, "": false,
		"two words": false, `quo"te`: false, strings.Repeat("x", 65): false, "ü": false, "a;b": false,
	} {
		for _, path := range []string{"/v1/models", "/none"} {
			got := s.Do(t, "GET", path, "", "X-Request-Id", given).Header.Get("X-Request-Id")
			if kept && got != given || !kept && !own.MatchString(got) {
				t.Errorf("%q became %q", given, got)
			}
		}
	}
}

// A newline that got into the log as text would forge a line.
func TestLogEntriesAreSingleLines(t *testing.T) {
	buffer := &servertest.Log{}
	s := startLogging(t, servertest.NewEngine(), server.Options{AccessLog: true}, slog.New(slog.NewTextHandler(buffer, nil)))
	for _, path := range []string{"/v1/models/x%0Alevel=ERROR", "/v1/models/%1b[31m", "/x%22%20level=ERROR"} {
		c := s.Dial(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		servertest.Status(c)
	}
	text := buffer.String()
	if strings.Count(text, "\n") != 3 || strings.Contains(text, "\x1b") || bytes.Count([]byte(text), []byte("level=INFO")) != 3 {
		t.Errorf("log: %q", text)
	}
}
