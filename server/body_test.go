package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// raw opens a connection and writes text on it.
func (r *running) raw(t *testing.T, text string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// status reads a response's status off a connection, 0 if none comes.
func status(c net.Conn) int {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func TestBodyLimits(t *testing.T) {
	small := Options{ImageLimit: 100, VariantLimit: 20_000, CheckpointLimit: 30_000}
	checkpoint, formType := form(t, "model", strings.Repeat("M", 30_000), "config", "{}")
	tests := []struct {
		name, method, path string
		size               int
		status             int
	}{
		{"image at the limit", "POST", "/v1/models/music-1/classify", 100, 200},
		{"image over the limit", "POST", "/v1/models/music-1/classify", 101, 413},
		{"image far over the limit", "POST", "/v1/models/music-1/classify", 4 << 20, 413},
		{"variant at the limit", "PUT", "/v1/models/new", 20_000, 201},
		{"variant over the limit", "PUT", "/v1/models/new", 20_001, 413},
		{"checkpoint over the limit", "POST", "/v1/families/glyphs/models/new", 0, 413},
	}
	for _, test := range tests {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/chunked=%v", test.name, chunked), func(t *testing.T) {
				f := newFake()
				s := start(t, f, small)
				body := strings.Repeat("x", test.size)
				if test.size == 0 {
					body = checkpoint
				}
				var r io.Reader = strings.NewReader(body)
				if chunked {
					r = io.MultiReader(r) // of a length that the client doesn't know
				}
				req, err := http.NewRequest(test.method, s.url+test.path, r)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", formType)
				if test.size != 0 {
					req.Header.Set("Content-Type", "application/octet-stream")
				}
				if got := finish(t, req); got.status != test.status {
					t.Errorf("got %d %s, want %d", got.status, got.body, test.status)
				}
				if test.status == 413 && f.arrived() != 0 {
					t.Error("it reached the engine")
				}
			})
		}
	}
}

func TestBodyOverItsLimitIsRefusedBeforeItComes(t *testing.T) {
	s := start(t, newFake(), Options{VariantLimit: 20_000})
	head := "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n"
	// As much as the library reads ahead of a handler; then nothing more comes.
	c := s.raw(t, head+strings.Repeat("x", 8<<10))
	if got := status(c); got != 413 {
		t.Errorf("got %d", got)
	}
}

func TestUploadCutOffReachesNobody(t *testing.T) {
	checkpoint, formType := form(t, "model", strings.Repeat("M", 50_000), "config", "{}")
	put := "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\n"
	post := "POST /v1/families/glyphs/models/new HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\n"
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	big := strings.Repeat("x", 40_000)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(big), big)
	tests := []struct{ name, sent string }{
		{"in the head", put + "Content-Le"},
		{"before the body", put + "Content-Length: 50000\r\n\r\n"},
		{"early in the body", put + "Content-Length: 50000\r\n\r\nxx"},
		{"late in the body", put + "Content-Length: 50000\r\n\r\n" + big},
		{"one byte short", put + "Content-Length: 40001\r\n\r\n" + big},
		{"before a chunk", put + chunked},
		{"in a chunk", put + chunked + chunk[:20_000]},
		{"between two chunks", put + chunked + chunk},
		{"in the next chunk's size", put + chunked + chunk + "1"},
		{"in the last chunk", put + chunked + chunk + "0\r\n"},
		{"in a chunk that isn't one", put + chunked + "zz\r\nxx\r\n"},
		{"in a form", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(checkpoint)) + checkpoint[:30_000]},
		{"after a whole form", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(checkpoint)+1) + checkpoint},
		{"after a whole form, chunked", post + chunked + fmt.Sprintf("%x\r\n%s\r\n", len(checkpoint), checkpoint)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			s := start(t, f, Options{})
			c := s.raw(t, test.sent)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := status(c); got != 400 && got != 0 {
				t.Errorf("got %d", got)
			}
			if f.arrived() != 0 {
				t.Error("it reached the engine")
			}
		})
	}
}

func TestUnreadBodyIsNoRequest(t *testing.T) {
	f := newFake()
	s := start(t, f, Options{ImageLimit: 100})
	hidden := strings.Repeat("DELETE /v1/models/music-1 HTTP/1.1\r\nHost: x\r\nX-Pad: ........\r\n\r\n", 1024) // 64 bytes each
	for _, line := range []string{"GET /v1/models", "POST /v1/models/music-1/classify", "POST /none", "GET /none", "BREW /none", "PATCH /v1/models"} {
		c := s.raw(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", line, len(hidden), hidden))
		answers := bufio.NewReader(c)
		for n := 0; ; n++ {
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if n > 0 {
				t.Fatalf("%s: a second answer came: %s", line, res.Status)
			}
		}
	}
	if len(f.variants) != 3 {
		t.Error("a variant was deleted")
	}
}

func TestSlowBodyIsGivenUp(t *testing.T) {
	f := newFake()
	s := start(t, f, Options{ReadTimeout: 50 * time.Millisecond})
	c := s.raw(t, "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 10_000))
	if got := status(c); got != 408 {
		t.Errorf("got %d", got)
	}
	if f.arrived() != 0 {
		t.Error("it reached the engine")
	}
}

func TestMalformedHeads(t *testing.T) {
	tests := []struct {
		name, sent string
		status     int
	}{
		{"not HTTP", "hello\r\n\r\n", 400},
		{"a head too long", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431},
		{"a length below zero", "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400},
		{"a length that is none", "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			s := start(t, f, Options{})
			c := s.raw(t, test.sent)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != test.status || !strings.HasPrefix(string(body), `{"error":"`) {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
			if f.arrived() != 0 {
				t.Error("it reached the engine")
			}
		})
	}
}

func TestReadAll(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000} {
		text := strings.Repeat("x", size)
		for _, expect := range []int64{-1, int64(size), int64(size) + 1000} {
			for _, r := range []io.Reader{strings.NewReader(text), iotest.DataErrReader(strings.NewReader(text))} {
				got, err := readAll(r, expect)
				if err != nil || string(got) != text {
					t.Errorf("size %d, expect %d: got %d bytes, %v", size, expect, len(got), err)
				}
			}
			r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
			if _, err := readAll(r, -1); err != broken {
				t.Errorf("size %d: got %v", size, err)
			}
		}
	}
}

func TestMemoryFollowsWhatCame(t *testing.T) {
	r := io.MultiReader(strings.NewReader("xx"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if n := testing.AllocsPerRun(1, func() { _, _ = readAll(r, 1<<40) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
