package server_test

import (
	"bufio"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A body whose length is ambiguous is refused: behind a proxy that reads it in another way,
// what follows would be someone else's request.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	const chunk = "\r\n2\r\n{}\r\n0\r\n\r\n"
	for name, c := range map[string]struct {
		head, body string
		status     int
	}{
		"one length":              {"Host: localhost\r\nContent-Length: 2\r\n", "\r\n{}", 200},
		"chunks":                  {"Host: localhost\r\nTransfer-Encoding: chunked\r\n", chunk, 200},
		"two lengths":             {"Host: localhost\r\nContent-Length: 20\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"an unknown coding":       {"Host: localhost\r\nTransfer-Encoding: xchunked\r\n", chunk, 400},
		"a length and chunks":     {"Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n", chunk, 400},
		"chunks and a length":     {"Host: localhost\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 2\r\n", chunk, 400},
		"two codings":             {"Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n", chunk, 400},
		"two hosts":               {"Host: evil\r\nHost: localhost\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a NUL in a header":       {"Host: localhost\r\nX-A: a\x00b\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a CR in a header":        {"Host: localhost\r\nX-A: a\rb\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a header without a name": {"Host: localhost\r\n: x\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a length with a sign":    {"Host: localhost\r\nContent-Length: +2\r\n", "\r\n{}", 400},
	} {
		if got := servertest.Status(s.Dial(t, "POST /v2/repository/index HTTP/1.1\r\n"+c.head+c.body)); got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
}

func TestMalformedHeads(t *testing.T) {
	tests := []struct {
		name, sent string
		status     int
	}{
		{"not HTTP", "hello\r\n\r\n", 400},
		{"a head too long", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431},
		{"a negative length", "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400},
		{"a length that is not a number", "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := servertest.NewEngine()
			s := start(t, f, server.Options{})
			c := s.Dial(t, test.sent)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != test.status || !strings.HasPrefix(string(body), `{"error":"`) {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
			if f.Arrived() != 0 {
				t.Error("it reached the engine")
			}
		})
	}
}
