package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

func TestErrors(t *testing.T) {
	secret := errors.New("open secret: no such file")
	tests := []struct {
		name   string
		err    error
		status int
		want   string
		logged bool
	}{
		{"invalid", runtime.Errorf(runtime.Invalid, "bad image"), 400, "bad image", false},
		{"not found", runtime.Errorf(runtime.NotFound, "no variant"), 404, "no variant", false},
		{"conflict", runtime.Errorf(runtime.Conflict, "another basis"), 409, "another basis", false},
		{"too large", runtime.Errorf(runtime.TooLarge, "too many pixels"), 413, "too many pixels", false},
		{"unsupported", runtime.Errorf(runtime.Unsupported, "not an image"), 415, "not an image", false},
		{"busy", runtime.Errorf(runtime.Busy, "every slab is leased"), 503, "every slab is leased", false},
		{"overloaded", &runtime.Error{Code: runtime.Overloaded, Text: "too many", RetryAfter: 2100 * time.Millisecond}, 429, "too many", false},
		{"overloaded for a moment", &runtime.Error{Code: runtime.Overloaded, Text: "too many", RetryAfter: time.Millisecond}, 429, "too many", false},
		{"past its deadline", runtime.Errorf(runtime.Deadline, "too late"), 504, "too late", false},
		{"damaged", runtime.Errorf(runtime.Damaged, "digest differs"), 500, "digest differs", true},
		{"a full disk", runtime.Errorf(runtime.Full, "the disk is full"), 507, "the disk is full", true},
		{"closed", runtime.Errorf(runtime.Closed, "closing"), 503, "closing", false},
		{"internal", runtime.Errorf(runtime.Internal, "read: %w", secret), 500, "internal error", true},
		{"of no known code", &runtime.Error{Code: 99, Text: "secret"}, 500, "internal error", true},
		{"of another kind", secret, 500, "internal error", true},
		{"wrapped", fmt.Errorf("outer: %w", runtime.Errorf(runtime.NotFound, "no variant")), 404, "no variant", false},
		{"cancelled", context.Canceled, 499, "the request was canceled", false},
		{"with markup", runtime.Errorf(runtime.Invalid, "<script>\n\u2028"), 400, `<script>\n\u2028`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := servertest.NewEngine()
			f.Err = test.err
			s := start(t, f, server.Options{})
			got := s.Do(t, "POST", "/v1/models/music-1/classify", "image")
			if got.Status != test.status || got.Body != `{"error":"`+test.want+`"}` {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
			want := map[string]string{"busy": "1", "overloaded": "3", "overloaded for a moment": "1"}[test.name]
			if retry := got.Header.Get("Retry-After"); retry != want {
				t.Errorf("Retry-After: %q, want %q", retry, want)
			}
			if logged := s.Log.String() != ""; logged != test.logged {
				t.Errorf("log: %q", s.Log)
			}
		})
	}
}

func TestErrorsOfEveryMethod(t *testing.T) {
	f := servertest.NewEngine()
	f.Err = runtime.Errorf(runtime.Conflict, "another basis")
	s := start(t, f, server.Options{})
	body, contentType := form(t, "model", "M", "config", "{}")
	for _, line := range []string{
		"GET /v1/models/a", "PUT /v1/models/a", "DELETE /v1/models/a", "POST /v1/models/a/pin", "DELETE /v1/models/a/pin",
		"GET /v1/families/a", "POST /v1/families/a/models/b", "POST /v1/models/a/classify",
	} {
		method, path, _ := strings.Cut(line, " ")
		headers := []string{}
		if strings.Contains(path, "families/a/models") {
			headers = []string{"Content-Type", contentType}
		}
		if got := s.Do(t, method, path, body, headers...); got.Status != 409 || got.Body != `{"error":"another basis"}` {
			t.Errorf("%s: got %d %s", line, got.Status, got.Body)
		}
	}
}

func TestPanicIsLoggedAndHidden(t *testing.T) {
	f := servertest.NewEngine()
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		panic("secret\nlevel=ERROR msg=forged")
	}
	s := start(t, f, server.Options{})
	got := s.Do(t, "POST", "/v1/models/music-1/classify", "image")
	if got.Status != 500 || got.Body != `{"error":"internal error"}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	log := s.Log.String()
	if !strings.Contains(log, "panic in classify: secret") || strings.Count(log, "\n") != 1 {
		t.Errorf("log: %q", log)
	}
	if got := s.Do(t, "GET", "/v1/models", ""); got.Status != 200 {
		t.Errorf("afterwards: got %d", got.Status)
	}
}

func TestNonFiniteScoreIsAnInternalError(t *testing.T) {
	f := servertest.NewEngine()
	f.OnClassify = func(context.Context, string, []byte, runtime.ClassifyOptions) (runtime.Answer, error) {
		zero := 0.0
		return runtime.Answer{Scores: []runtime.Score{{Label: "a", Score: zero / zero}}}, nil
	}
	s := start(t, f, server.Options{})
	if got := s.Do(t, "POST", "/v1/models/music-1/classify", "image"); got.Status != 500 || got.Body != `{"error":"internal error"}` {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestLogLinesAreSafe(t *testing.T) {
	f := servertest.NewEngine()
	f.Err = errors.New("fault\nlevel=ERROR msg=forged")
	s := start(t, f, server.Options{})
	s.Do(t, "GET", "/v1/models/x%0Alevel=ERROR", "") // refused before it is logged
	s.Do(t, "GET", "/v1/models/x\"y", "")
	if log := s.Log.String(); strings.Count(log, "\n") != 1 {
		t.Errorf("log: %q", log)
	}
}

// TestUnknownNameIsSuggested asks for a model by a name that is nearly one, with a token
// that may see it and with one that may not.
func TestUnknownNameIsSuggested(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{Tokens: servertest.Tokens(t, "all read,infer,admin", `some read,infer,admin "sans-la"`)})
	for _, test := range []struct{ token, name, want string }{
		{"all", "sans-la", `{"error":"no variant \"sans-la\"; did you mean \"sans-lao\"?"}`},
		{"some", "sans-la", `{"error":"no variant \"sans-la\"; GET /v1/models lists them"}`},
		{"all", "nobody", `{"error":"no variant \"nobody\"; GET /v1/models lists them"}`},
	} {
		for _, line := range []string{"GET /v1/models/", "GET /v2/models/", "POST /v1/models/+/classify", "POST /v2/repository/models/+/load"} {
			method, path, _ := strings.Cut(line, " ")
			before, after, _ := strings.Cut(path, "+")
			if got := s.Do(t, method, before+test.name+after, `{"inputs":"aW1hZ2U="}`, servertest.Bearer(test.token)...); got.Status != 404 || got.Body != test.want {
				t.Errorf("%s %s for %s: got %d %s, want %s", line, test.name, test.token, got.Status, got.Body, test.want)
			}
		}
	}
}
