package server_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// compress returns a text in a coding: gzip, deflate, or raw, which is deflate without the
// frame of zlib.
func compress(t *testing.T, coding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCompressedBodies sends compressed bodies to every kind of route that reads one, of a
// known length and in chunks. What arrives must be what was compressed.
func TestCompressedBodies(t *testing.T) {
	upload, formType := form(t, "model", strings.Repeat("M", 50_000), "config", "{}")
	infer := `{"inputs":[{"name":"pixel_values","datatype":"FP32","shape":[2,2,1,1],"data":[1,2,3,4]}]}`
	variant := fmt.Sprintf(`{"parameters":{"file:1/m.safetensors":%q}}`, base64.StdEncoding.EncodeToString([]byte("file")))
	requests := []struct {
		method, path, body, contentType, want string
		status                                int
	}{
		{"POST", "/v1/models/music-1/classify", "image", "image/png", `"label":"image"`, 200},
		{"POST", "/v1/models/music-1/classify", `{"inputs":"aW1hZ2U="}`, "application/json", `"label":"image"`, 200},
		{"PUT", "/v1/models/new", "file", "", "", 201},
		{"PUT", "/v1/aliases/live", `{"model":"sans-lao"}`, "", "", 201},
		{"POST", "/v1/families/glyphs/models/new", upload, formType, "", 201},
		{"POST", "/v2/models/music-1/infer", infer, "", `"data":[1,2,3,4]`, 200},
		{"POST", "/v2/repository/index", `{"ready":true}`, "", "sans-lao", 200},
		{"POST", "/v2/repository/models/new/load", variant, "", "", 200},
	}
	for _, q := range requests {
		for _, coding := range []string{"gzip", "deflate", "raw"} {
			for _, chunked := range []bool{false, true} {
				f := servertest.NewEngine()
				s := start(t, f, server.Options{})
				var body io.Reader = strings.NewReader(compress(t, coding, q.body))
				if chunked {
					body = io.MultiReader(body) // of unknown length to the client
				}
				req, err := http.NewRequest(q.method, s.URL+q.path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", q.contentType)
				req.Header.Set("Content-Encoding", strings.Replace(coding, "raw", "Deflate", 1))
				if got := servertest.Send(t, req); got.Status != q.status || !strings.Contains(got.Body, q.want) {
					t.Errorf("%s %s, %s, chunked %v: got %d %s", q.method, q.path, coding, chunked, got.Status, got.Body)
				}
				if len(f.Uploads) == 1 && string(f.Uploads[0].Model) != strings.Repeat("M", 50_000) {
					t.Errorf("%s: another model arrived", q.path)
				}
				if held := s.BodyBytes(); held != 0 {
					t.Errorf("%s: %d bytes are still counted", q.path, held)
				}
			}
		}
	}
}

// noise returns text that can't be compressed.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

func TestCompressedBodyLimits(t *testing.T) {
	const limit = 20_000
	whole := compress(t, "gzip", "image")
	tests := []struct {
		name, coding, body string
		status             int
		want               string
	}{
		{"at the limit", "gzip", compress(t, "gzip", strings.Repeat("x", limit)), 200, ""},
		{"at the limit, incompressible", "gzip", compress(t, "gzip", noise(limit)), 200, ""},
		{"over the limit", "gzip", compress(t, "gzip", strings.Repeat("x", limit+1)), 413, "limit of 20000 bytes when it is decompressed"},
		{"over the limit in deflate", "deflate", compress(t, "deflate", strings.Repeat("x", limit+1)), 413, "decompressed"},
		{"over the limit when it is sent", "gzip", compress(t, "gzip", noise(2*limit)), 413, "the limit is"},
		{"a bomb", "gzip", compress(t, "gzip", strings.Repeat("\x00", 15<<20)), 413, "decompressed"},
		{"two members", "gzip", compress(t, "gzip", "ima") + compress(t, "gzip", "ge"), 200, `"image"`},
		{"many members", "gzip", strings.Repeat(compress(t, "gzip", "x"), 500), 200, ""},
		{"cut off", "gzip", whole[:len(whole)-3], 400, "not valid gzip"},
		{"cut off in the head", "gzip", whole[:5], 400, "not valid gzip"},
		{"one byte", "deflate", "x", 400, "not valid deflate"},
		{"followed by more", "gzip", whole + "x", 400, "not valid gzip"},
		{"followed by more in deflate", "deflate", compress(t, "deflate", "image") + "x", 400, "not valid deflate"},
		{"of another checksum", "gzip", whole[:len(whole)-8] + "\x00\x00\x00\x00" + whole[len(whole)-4:], 400, "not valid gzip"},
		{"not compressed", "gzip", "image", 400, "not valid gzip"},
		{"in another coding than it says", "deflate", whole, 400, "not valid deflate"},
		{"empty", "gzip", "", 400, "empty"},
		{"identity", "identity", "image", 200, `"image"`},
		{"x-gzip", "x-gzip", whole, 200, `"image"`},
		{"br", "br", "x", 415, "use one of gzip, deflate, or none"},
		{"zstd", "zstd", "x", 415, "use one of gzip, deflate, or none"},
		{"twice", "gzip, gzip", compress(t, "gzip", whole), 415, "use one of"},
	}
	f := servertest.NewEngine()
	s := start(t, f, server.Options{ImageLimit: limit})
	for _, test := range tests {
		for path, status := range map[string]int{"/v1/models/music-1/classify": test.status, "/v2/models/music-1/infer": map[int]int{200: 200}[test.status]} {
			if status == 0 {
				status = 400 // what the protocol has for anything wrong with a request
			}
			before := servertest.Allocated()
			got := s.Do(t, "POST", path, test.body, "Content-Encoding", test.coding, "Inference-Header-Content-Length", "0")
			if took := servertest.Allocated() - before; took > 4<<20 {
				t.Errorf("%s: it took %d bytes", test.name, took)
			}
			if got.Status != status || !strings.Contains(got.Body, test.want) && path[:3] == "/v1" {
				t.Errorf("%s, %s: got %d %.300s, want %d %s", test.name, path, got.Status, got.Body, status, test.want)
			}
			accept := ""
			if test.status == 415 {
				accept = "gzip, deflate"
			}
			if got.Header.Get("Accept-Encoding") != accept {
				t.Errorf("%s, %s: Accept-Encoding %q", test.name, path, got.Header.Get("Accept-Encoding"))
			}
		}
	}
	if got := s.Do(t, "POST", "/v1/models/music-1/classify", "image"); got.Status != 200 {
		t.Errorf("afterwards: got %d", got.Status)
	}
	if held := s.BodyBytes(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

// TestCompressedBodiesShareTheMemory decompresses to more than the memory of all bodies.
func TestCompressedBodiesShareTheMemory(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{BodyMemory: 1 << 20})
	bomb := compress(t, "gzip", strings.Repeat("x", 2<<20))
	if got := s.Do(t, "PUT", "/v1/models/new", bomb, "Content-Encoding", "gzip"); got.Status != 503 || got.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	if got := s.Do(t, "PUT", "/v1/models/new", compress(t, "gzip", strings.Repeat("x", 500_000)), "Content-Encoding", "gzip"); got.Status != 201 {
		t.Errorf("with room: got %d %s", got.Status, got.Body)
	}
}
