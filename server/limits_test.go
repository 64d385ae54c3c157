package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUploadsShareTheirMemory lets one upload hold nearly all that uploads may
// take, so that another finds no room until the first is gone.
func TestUploadsShareTheirMemory(t *testing.T) {
	s := start(t, newFake(), Options{BodyMemory: 100_000})
	put := func(n int) string {
		return fmt.Sprintf("PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", n)
	}
	first := s.raw(t, put(90_001)+strings.Repeat("x", 90_000))
	for s.bodies.Held() < 90_000 {
		time.Sleep(time.Millisecond) // it is read as it comes; there is nothing to wait on
	}
	if got := s.do(t, "PUT", "/v1/models/other", strings.Repeat("x", 20_000)); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("without room: got %d %s", got.status, got.body)
	}
	if got := s.do(t, "PUT", "/v1/models/other", strings.Repeat("x", 5_000)); got.status != 201 {
		t.Errorf("a small one: got %d %s", got.status, got.body)
	}
	if _, err := first.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := status(first); got != 201 {
		t.Errorf("the first: got %d", got)
	}
	if got := s.do(t, "PUT", "/v1/models/other", strings.Repeat("x", 20_000)); got.status != 200 {
		t.Errorf("with room again: got %d %s", got.status, got.body)
	}
	s.do(t, "GET", "/v1/models", "")
	if held := s.bodies.Held(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

func TestSlowHeadIsGivenUp(t *testing.T) {
	s := start(t, newFake(), Options{ReadTimeout: 50 * time.Millisecond})
	for _, sent := range []string{"", "GET /v1/mod", "GET / HTTP/1.1\r\nHost: x\r\nX-A: "} {
		if got := status(s.raw(t, sent)); got != 0 && got != 408 {
			t.Errorf("%q: got %d", sent, got)
		}
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	s := start(t, newFake(), Options{IdleTimeout: 50 * time.Millisecond})
	c := s.raw(t, ask)
	if got := status(c); got != 200 {
		t.Fatalf("got %d", got)
	}
	if got := status(c); got != 0 { // ends as the server closes, long before the deadline
		t.Errorf("an answer to nothing: %d", got)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	s := start(t, newFake(), Options{Connections: 4})
	var kept []net.Conn
	for range 4 {
		c := s.raw(t, ask)
		if got := status(c); got != 200 {
			t.Fatalf("got %d", got)
		}
		kept = append(kept, c)
	}
	res, err := http.ReadResponse(bufio.NewReader(s.raw(t, ask)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var fault problem
	if err := json.NewDecoder(res.Body).Decode(&fault); err != nil || fault.Error == "" || res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !res.Close {
		t.Errorf("one too many: %v, %+v, %v", res, fault, err)
	}
	for _, c := range kept {
		_, _ = c.Write([]byte(ask))
		if got := status(c); got != 200 {
			t.Errorf("one of the first: got %d", got)
		}
	}
}
