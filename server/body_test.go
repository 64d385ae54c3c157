package server_test

import (
	"bufio"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestBodyLimits(t *testing.T) {
	small := server.Options{ImageLimit: 100, VariantLimit: 20_000, CheckpointLimit: 30_000}
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
				f := servertest.NewEngine()
				s := start(t, f, small)
				body := strings.Repeat("x", test.size)
				if test.size == 0 {
					body = checkpoint
				}
				var r io.Reader = strings.NewReader(body)
				if chunked {
					r = io.MultiReader(r) // of unknown length to the client
				}
				req, err := http.NewRequest(test.method, s.URL+test.path, r)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", formType)
				if test.size != 0 {
					req.Header.Set("Content-Type", "application/octet-stream")
				}
				if got := servertest.Send(t, req); got.Status != test.status {
					t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
				}
				if test.status == 413 && f.Arrived() != 0 {
					t.Error("it reached the engine")
				}
			})
		}
	}
}

func TestBodyOverItsLimitIsRefusedByItsLength(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{VariantLimit: 20_000})
	head := "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n"
	// As much as the library reads ahead of a handler, and nothing more.
	c := s.Dial(t, head+strings.Repeat("x", 8<<10))
	if got := servertest.Status(c); got != 413 {
		t.Errorf("got %d", got)
	}
}

func TestTruncatedUploadIsNotAdded(t *testing.T) {
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
		{"in an invalid chunk", put + chunked + "zz\r\nxx\r\n"},
		{"in a form", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(checkpoint)) + checkpoint[:30_000]},
		{"after a whole form", post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(checkpoint)+1) + checkpoint},
		{"after a whole form, chunked", post + chunked + fmt.Sprintf("%x\r\n%s\r\n", len(checkpoint), checkpoint)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := servertest.NewEngine()
			s := start(t, f, server.Options{})
			c := s.Dial(t, test.sent)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got := servertest.Status(c); got != 400 && got != 0 {
				t.Errorf("got %d", got)
			}
			if f.Arrived() != 0 {
				t.Error("it reached the engine")
			}
		})
	}
}

func TestUnreadBodyIsNotARequest(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{ImageLimit: 100})
	hidden := strings.Repeat("DELETE /v1/models/music-1 HTTP/1.1\r\nHost: x\r\nX-Pad: ........\r\n\r\n", 1024) // 64 bytes each
	for _, line := range []string{"GET /v1/models", "POST /v1/models/music-1/classify", "POST /none", "GET /none", "BREW /none", "PATCH /v1/models"} {
		c := s.Dial(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", line, len(hidden), hidden))
		answers := bufio.NewReader(c)
		for n := 0; ; n++ {
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if n > 0 {
				t.Fatalf("%s: there is a second answer: %s", line, res.Status)
			}
		}
	}
	if len(f.Models) != 3 {
		t.Error("a variant was deleted")
	}
}

func TestSlowBodyTimesOut(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{ReadTimeout: 50 * time.Millisecond})
	c := s.Dial(t, "PUT /v1/models/new HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 10_000))
	if got := servertest.Status(c); got != 408 {
		t.Errorf("got %d", got)
	}
	if f.Arrived() != 0 {
		t.Error("it reached the engine")
	}
}

func TestReadAll(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000} {
		text := strings.Repeat("x", size)
		for _, expect := range []int64{-1, int64(size), int64(size) + 1000} {
			for _, r := range []io.Reader{strings.NewReader(text), iotest.DataErrReader(strings.NewReader(text))} {
				got, err := server.ReadAll(r, expect)
				if err != nil || string(got) != text {
					t.Errorf("size %d, expect %d: got %d bytes, %v", size, expect, len(got), err)
				}
			}
			r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
			if _, err := server.ReadAll(r, -1); err != broken {
				t.Errorf("size %d: got %v", size, err)
			}
		}
	}
}

func TestReadAllAllocatesWhatArrives(t *testing.T) {
	r := io.MultiReader(strings.NewReader("xx"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if n := testing.AllocsPerRun(1, func() { _, _ = server.ReadAll(r, 1<<40) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
