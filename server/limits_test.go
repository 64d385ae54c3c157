package server_test

import (
	"bufio"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUploadsShareTheirMemory has one upload take nearly all the memory of bodies, so that
// there is no room for another until the first is finished.
func TestUploadsShareTheirMemory(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{BodyMemory: 100_000})
	put := func(n int) string {
		return fmt.Sprintf("PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", n)
	}
	first := s.Dial(t, put(90_001)+strings.Repeat("x", 90_000))
	for s.BodyBytes() < 90_000 {
		time.Sleep(time.Millisecond) // there is nothing to wait on
	}
	if got := s.Do(t, "PUT", "/v1/models/other", strings.Repeat("x", 20_000)); got.Status != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("without room: got %d %s", got.Status, got.Body)
	}
	if got := s.Do(t, "PUT", "/v1/models/other", strings.Repeat("x", 5_000)); got.Status != 201 {
		t.Errorf("a small one: got %d %s", got.Status, got.Body)
	}
	if _, err := first.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := servertest.Status(first); got != 201 {
		t.Errorf("the first: got %d", got)
	}
	if got := s.Do(t, "PUT", "/v1/models/other", strings.Repeat("x", 20_000)); got.Status != 200 {
		t.Errorf("with room again: got %d %s", got.Status, got.Body)
	}
	s.Do(t, "GET", "/v1/models", "")
	if held := s.BodyBytes(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

func TestSlowHeadTimesOut(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{ReadTimeout: 50 * time.Millisecond})
	for _, sent := range []string{"", "GET /v1/mod", "GET / HTTP/1.1\r\nHost: x\r\nX-A: "} {
		if got := servertest.Status(s.Dial(t, sent)); got != 0 && got != 408 {
			t.Errorf("%q: got %d", sent, got)
		}
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{IdleTimeout: 50 * time.Millisecond})
	c := s.Dial(t, ask)
	if got := servertest.Status(c); got != 200 {
		t.Fatalf("got %d", got)
	}
	if got := servertest.Status(c); got != 0 { // the server closes it long before the deadline of the test
		t.Errorf("an answer without a request: %d", got)
	}
}

func TestConnectionLimit(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{Connections: 4})
	var kept []net.Conn
	for range 4 {
		c := s.Dial(t, ask)
		if got := servertest.Status(c); got != 200 {
			t.Fatalf("got %d", got)
		}
		kept = append(kept, c)
	}
	res, err := http.ReadResponse(bufio.NewReader(s.Dial(t, ask)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var fault struct{ Error string }
	if err := json.NewDecoder(res.Body).Decode(&fault); err != nil || fault.Error == "" || res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !res.Close {
		t.Errorf("one too many: %v, %+v, %v", res, fault, err)
	}
	for _, c := range kept {
		_, _ = c.Write([]byte(ask))
		if got := servertest.Status(c); got != 200 {
			t.Errorf("one of the first: got %d", got)
		}
	}
}
