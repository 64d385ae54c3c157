package server_test

import (
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"testing"
)

// What frames a request in two ways, or in none that is known, is refused: behind a
// proxy that reads it in the other way, what follows would be somebody else's request.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	const chunk = "\r\n2\r\n{}\r\n0\r\n\r\n"
	for name, c := range map[string]struct {
		head, body string
		status     int
	}{
		"one length":           {"Host: localhost\r\nContent-Length: 2\r\n", "\r\n{}", 200},
		"chunks":               {"Host: localhost\r\nTransfer-Encoding: chunked\r\n", chunk, 200},
		"two lengths":          {"Host: localhost\r\nContent-Length: 20\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a coding of no name":  {"Host: localhost\r\nTransfer-Encoding: xchunked\r\n", chunk, 400},
		"a length and chunks":  {"Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n", chunk, 400},
		"chunks and a length":  {"Host: localhost\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 2\r\n", chunk, 400},
		"two codings":          {"Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n", chunk, 400},
		"two hosts":            {"Host: evil\r\nHost: localhost\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a NUL in a header":    {"Host: localhost\r\nX-A: a\x00b\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a CR in a header":     {"Host: localhost\r\nX-A: a\rb\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a header of no name":  {"Host: localhost\r\n: x\r\nContent-Length: 2\r\n", "\r\n{}", 400},
		"a length of no digit": {"Host: localhost\r\nContent-Length: +2\r\n", "\r\n{}", 400},
	} {
		if got := servertest.Status(s.Dial(t, "POST /v2/repository/index HTTP/1.1\r\n"+c.head+c.body)); got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
}
