package server_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// form returns a multipart body of fields given as pairs.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		part, err := w.CreateFormFile(fields[i], fields[i]+".bin")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(fields[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestRoutes(t *testing.T) {
	checkpoint, formType := form(t, "model", "M", "config", "{}", "preprocessor", "{}")
	noConfig, noConfigType := form(t, "model", "M")
	twice, twiceType := form(t, "model", "M", "config", "{}", "config", "{}")
	stranger, strangerType := form(t, "model", "M", "config", "{}", "extra", "x")
	long := strings.Repeat("n", 256)
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string            // part of the body
		header                   map[string]string // parts of headers
	}{
		{name: "page", method: "GET", path: "/", status: 200, want: "<!doctype html>", header: map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "script-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}},
		{name: "page with a query", method: "GET", path: "/?x=1", status: 200, want: "<!doctype html>"},
		{name: "script", method: "GET", path: "/assets/app.js", status: 200, header: map[string]string{"Content-Type": "text/javascript"}},
		{name: "asset that isn't there", method: "GET", path: "/assets/none.js", status: 404, want: `{"error":"no such route"}`},
		{name: "asset above the folder", method: "GET", path: "/assets/..%2fweb.go", status: 404, want: `{"error":"no such route"}`},
		{name: "samples index", method: "GET", path: "/samples/", status: 200, want: `{"samples":[{"path":"music-1/a b.png","variant":"music-1","label":"a b"}]}`},
		{name: "sample", method: "GET", path: "/samples/music-1/a%20b.png", status: 200, want: "PNG", header: map[string]string{"Content-Type": "image/png"}},
		{name: "file that is no sample", method: "GET", path: "/samples/notes.txt", status: 404},
		{name: "sample above the folder", method: "GET", path: "/samples/../secret.png", status: 404},

		{name: "classify", method: "POST", path: "/v1/models/music-1/classify", body: "image", status: 200,
			want: `[{"label":"image","score":0.75},{"label":"b","score":0.25}]`, header: map[string]string{
				"Eigenserve-Variant": "music-1@d1000", "Eigenserve-Basis": "b1000", "Content-Type": "application/json", "Cache-Control": "no-store",
				"Server-Timing": "queue;dur=0.010, rebuild;dur=1.500, preprocess;dur=0.000, compute;dur=2.000"}},
		{name: "classify with an encoded name", method: "POST", path: "/v1/models/music%2D1/classify", body: "image", status: 200},
		{name: "classify with an unknown variant", method: "POST", path: "/v1/models/nobody/classify", body: "image", status: 404, want: `no variant \"nobody\"`},
		{name: "classify nothing", method: "POST", path: "/v1/models/music-1/classify", status: 400, want: "empty"},
		{name: "classify with GET", method: "GET", path: "/v1/models/music-1/classify", status: 405, want: `{"error":"method not allowed; use POST"}`, header: map[string]string{"Allow": "POST"}},
		{name: "classify a form", method: "POST", path: "/v1/models/music-1/classify", body: checkpoint, headers: []string{"Content-Type", formType}, status: 415},
		{name: "classify brotli", method: "POST", path: "/v1/models/music-1/classify", body: "x", headers: []string{"Content-Encoding", "br"}, status: 415, header: map[string]string{"Accept-Encoding": "gzip, deflate"}},
		{name: "classify with a bad top_k", method: "POST", path: "/v1/models/music-1/classify?top_k=-1", body: "x", status: 400, want: "top_k"},

		{name: "list", method: "GET", path: "/v1/models", status: 200, want: `"next":""`},
		{name: "first page", method: "GET", path: "/v1/models?limit=2", status: 200, want: `"next":"sans-lao"`},
		{name: "next page", method: "GET", path: "/v1/models?limit=2&after=sans-lao", status: 200, want: `{"models":[{"name":"sans-takri"`},
		{name: "page past the end", method: "GET", path: "/v1/models?after=zzz", status: 200, want: `{"models":[],"next":""}`},
		{name: "page of zero", method: "GET", path: "/v1/models?limit=0", status: 400, want: "limit must be a whole number from 1 to 1000"},
		{name: "page of a non-number", method: "GET", path: "/v1/models?limit=many", status: 400},
		{name: "search", method: "GET", path: "/v1/models?search=sans", status: 200, want: `"total":2`},
		{name: "search by page", method: "GET", path: "/v1/models?search=sans&offset=1&limit=1", status: 200, want: `{"models":[{"name":"sans-takri"`},
		{name: "search without results", method: "GET", path: "/v1/models?search=none", status: 200, want: `{"models":[],"offset":0,"total":0}`},
		{name: "order", method: "GET", path: "/v1/models?order=requests&limit=1", status: 200, want: `"total":3`},
		{name: "search from a name", method: "GET", path: "/v1/models?from=sans-takri&limit=1", status: 200, want: `"offset":2,"total":3}`},
		{name: "search before the first", method: "GET", path: "/v1/models?offset=-1", status: 400, want: "offset"},
		{name: "show", method: "GET", path: "/v1/models/sans-lao", status: 200, want: `"labels":["ກ","ຂ","<b>&"]`},
		{name: "show nobody", method: "GET", path: "/v1/models/nobody", status: 404},
		{name: "put a new one", method: "PUT", path: "/v1/models/new", body: "file", status: 201, want: `"digest":"d1`, header: map[string]string{"Location": "/v1/models/new"}},
		{name: "replace one", method: "PUT", path: "/v1/models/sans-lao", body: "file", status: 200},
		{name: "put an empty file", method: "PUT", path: "/v1/models/new", status: 400},
		{name: "delete", method: "DELETE", path: "/v1/models/sans-lao", status: 204},
		{name: "delete nobody", method: "DELETE", path: "/v1/models/nobody", status: 404},
		{name: "pin", method: "POST", path: "/v1/models/sans-lao/pin", status: 204},
		{name: "unpin", method: "DELETE", path: "/v1/models/sans-lao/pin", status: 204},

		{name: "versions", method: "GET", path: "/v1/models/sans-lao/versions", status: 200, want: `{"name":"sans-lao","versions":[{"version":1,"digest":"d0"`},
		{name: "versions of nobody", method: "GET", path: "/v1/models/nobody/versions", status: 404},
		{name: "a version", method: "GET", path: "/v1/models/sans-lao/versions/1", status: 200, want: `"version":1`},
		{name: "an unknown version", method: "GET", path: "/v1/models/sans-lao/versions/3", status: 404},
		{name: "a version that is not a number", method: "GET", path: "/v1/models/sans-lao/versions/first", status: 400, want: "versions are numbers from 1"},
		{name: "version 0", method: "DELETE", path: "/v1/models/sans-lao/versions/0", status: 400},
		{name: "delete a version", method: "DELETE", path: "/v1/models/sans-lao/versions/1", status: 204},
		{name: "classify by a version", method: "POST", path: "/v1/models/music-1:2/classify", body: "image", status: 200, header: map[string]string{"Eigenserve-Variant": "music-1@d1000"}},

		{name: "aliases", method: "GET", path: "/v1/aliases", status: 200, want: `{"aliases":[{"name":"current"`},
		{name: "unknown alias", method: "GET", path: "/v1/aliases/live", status: 404},
		{name: "create an alias", method: "PUT", path: "/v1/aliases/live", body: `{"model":"sans-lao","version":2}`, status: 201,
			want: `{"name":"live","targets":[{"model":"sans-lao","version":2,"weight":0}]`, header: map[string]string{"Location": "/v1/aliases/live"}},
		{name: "create a weighted alias", method: "PUT", path: "/v1/aliases/live", body: `{"targets":[{"model":"sans-lao","version":1,"weight":90},{"model":"music-1","weight":10}]}`, status: 201, want: `"weight":90`},
		{name: "alias of an unknown variant", method: "PUT", path: "/v1/aliases/live", body: `{"model":"nobody"}`, status: 404},
		{name: "alias of nothing", method: "PUT", path: "/v1/aliases/live", body: `{}`, status: 400, want: "say which model the alias stands for"},
		{name: "alias without a weight", method: "PUT", path: "/v1/aliases/live", body: `{"targets":[{"model":"sans-lao","weight":95},{"model":"music-1"}]}`, status: 400, want: "has no weight"},
		{name: "alias of both forms", method: "PUT", path: "/v1/aliases/live", body: `{"model":"a","targets":[{"model":"b"}]}`, status: 400},
		{name: "alias with a misspelt field", method: "PUT", path: "/v1/aliases/live", body: `{"model":"sans-lao","verison":1}`, status: 400},
		{name: "alias that is not JSON", method: "PUT", path: "/v1/aliases/live", body: `live`, status: 400, want: "does not have the form"},
		{name: "alias followed by more", method: "PUT", path: "/v1/aliases/live", body: `{"model":"sans-lao"}{}`, status: 400},
		{name: "alias over the limit", method: "PUT", path: "/v1/aliases/live", body: strings.Repeat(" ", 70000), status: 413},
		{name: "an alias", method: "GET", path: "/v1/aliases/current", status: 200, want: `"model":"sans-lao"`},
		{name: "classify by an alias", method: "POST", path: "/v1/models/current/classify", body: "image", status: 200, header: map[string]string{"Eigenserve-Variant": "sans-lao@d1000"}},
		{name: "move an alias", method: "PUT", path: "/v1/aliases/current", body: `{"model":"music-1"}`, status: 200, want: `"model":"music-1"`},
		{name: "delete an alias", method: "DELETE", path: "/v1/aliases/current", status: 204},
		{name: "delete an unknown alias", method: "DELETE", path: "/v1/aliases/live", status: 404},

		{name: "families", method: "GET", path: "/v1/families", status: 200, want: `{"families":[{"name":"glyphs"`},
		{name: "family", method: "GET", path: "/v1/families/glyphs", status: 200, want: `"config":{"hidden_size":64}`},
		{name: "unknown family", method: "GET", path: "/v1/families/none", status: 404},
		{name: "add a checkpoint", method: "POST", path: "/v1/families/glyphs/models/new", body: checkpoint, headers: []string{"Content-Type", formType}, status: 201},
		{name: "add a checkpoint without config", method: "POST", path: "/v1/families/glyphs/models/new", body: noConfig, headers: []string{"Content-Type", noConfigType}, status: 400, want: "model and config"},
		{name: "add a checkpoint with two configs", method: "POST", path: "/v1/families/glyphs/models/new", body: twice, headers: []string{"Content-Type", twiceType}, status: 400, want: "twice"},
		{name: "add a checkpoint with an unknown file", method: "POST", path: "/v1/families/glyphs/models/new", body: stranger, headers: []string{"Content-Type", strangerType}, status: 400, want: `\"extra\"`},
		{name: "add a checkpoint that is not a form", method: "POST", path: "/v1/families/glyphs/models/new", body: "M", status: 415},
		{name: "add a form without its last boundary", method: "POST", path: "/v1/families/glyphs/models/new", body: checkpoint[:len(checkpoint)-8], headers: []string{"Content-Type", formType}, status: 400, want: "ends too early"},

		{name: "memory", method: "GET", path: "/v1/memory", status: 200, want: `"process_ratio":6.3`},
		{name: "metrics", method: "GET", path: "/metrics", status: 200, want: `eigenserve_memory_bytes{part="basis"} 1.5e+06`, header: map[string]string{"Content-Type": "text/plain"}},
		{name: "live", method: "GET", path: "/v2/health/live", status: 200, want: `{"live":true}`},
		{name: "ready", method: "GET", path: "/v2/health/ready", status: 200, want: `{"ready":true}`},

		{name: "unknown route", method: "GET", path: "/v1/nothing", status: 404, want: `{"error":"no such route"}`, header: map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}},
		{name: "unknown method", method: "BREW", path: "/v1/models", status: 501, want: `{"error":"unknown method"}`},
		{name: "wrong method on a variant", method: "PATCH", path: "/v1/models/sans-lao", status: 405, header: map[string]string{"Allow": "GET, HEAD, PUT, DELETE"}},
		{name: "trailing slash", method: "GET", path: "/v1/models/", status: 404},
		{name: "name with an encoded slash", method: "GET", path: "/v1/models/a%2Fb", status: 400, want: `{"error":"\"a/b\" is not a valid variant name"}`},
		{name: "name of dots", method: "GET", path: "/v1/models/%2e%2e", status: 400},
		{name: "name with dots", method: "PUT", path: "/v1/models/a..b", body: "x", status: 400},
		{name: "name with a backslash", method: "GET", path: "/v1/models/a%5Cb", status: 400},
		{name: "name with a newline", method: "GET", path: "/v1/models/a%0Ab", status: 400, want: `a\\nb`},
		{name: "name that is not UTF-8", method: "GET", path: "/v1/models/%FF", status: 400},
		{name: "name badly encoded", method: "DELETE", path: "/v1/models/%zz", status: 400, want: "percent-encoded"},
		{name: "name too long", method: "GET", path: "/v1/models/" + long, status: 400},
		{name: "family of dots", method: "POST", path: "/v1/families/%2e%2e/models/x", body: checkpoint, headers: []string{"Content-Type", formType}, status: 400, want: "family name"},
	}
	samples := fstest.MapFS{"music-1/a b.png": {Data: []byte("PNG")}, "notes.txt": {Data: []byte("no")}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, servertest.NewEngine(), server.Options{Samples: samples})
			req, err := http.NewRequest(test.method, s.URL, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = "//" + s.Addr + test.path // sent as it is, whatever its escapes
			for i := 0; i < len(test.headers); i += 2 {
				req.Header.Set(test.headers[i], test.headers[i+1])
			}
			got := servertest.Send(t, req)
			if got.Status != test.status || !strings.Contains(got.Body, test.want) {
				t.Errorf("got %d %.400s, want %d %s", got.Status, got.Body, test.status, test.want)
			}
			for name, want := range test.header {
				if !strings.Contains(got.Header.Get(name), want) && strings.Join(got.Header[name], ", ") != want {
					t.Errorf("header %s: got %q, want %q", name, got.Header[name], want)
				}
			}
		})
	}
}

func TestEveryGetAnswersHead(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	for _, rt := range s.Routes() {
		if rt.Method != "GET" {
			continue
		}
		path := examplePath(rt)
		if got := s.Do(t, "HEAD", path, ""); got.Status != 200 || got.Body != "" {
			t.Errorf("HEAD %s: got %d %q", path, got.Status, got.Body)
		}
	}
}

func TestUnchangedAssetIsNotSentAgain(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	first := s.Do(t, "GET", "/", "")
	again := s.Do(t, "GET", "/", "", "If-None-Match", first.Header.Get("ETag"))
	if again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("got %d %.40q", again.Status, again.Body)
	}
}

func TestMemoryIsTheLedger(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{})
	var got runtime.Ledger
	if err := json.Unmarshal([]byte(s.Do(t, "GET", "/v1/memory", "").Body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Memory, got); diff != "" {
		t.Error(diff)
	}
}

func TestUploadReachesTheEngineWhole(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{})
	model := strings.Repeat("weights ", 100_000)
	body, contentType := form(t, "preprocessor", `{"p":1}`, "model", model, "config", `{"c":1}`)
	if got := s.Do(t, "POST", "/v1/families/glyphs/models/new", body, "Content-Type", contentType); got.Status != 201 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	want := []runtime.Upload{{Model: []byte(model), Config: []byte(`{"c":1}`), Preprocessor: []byte(`{"p":1}`)}}
	if !reflect.DeepEqual(f.Uploads, want) {
		t.Errorf("%d uploads, want the one that was sent", len(f.Uploads))
	}
}

func TestOtherSitesMayOnlyRead(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		want    int
	}{
		{"a program", nil, 200},
		{"our page", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"the visitor", []string{"Sec-Fetch-Site", "none"}, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another port", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another site in an old browser", []string{"Origin", "https://example.com"}, 403},
		{"a sandboxed frame in an old browser", []string{"Origin", "null"}, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, servertest.NewEngine(), server.Options{})
			if got := s.Do(t, "POST", "/v1/models/music-1/classify", "x", test.headers...); got.Status != test.want {
				t.Errorf("asking: got %d %s, want %d", got.Status, got.Body, test.want)
			}
			if got := s.Do(t, "GET", "/v1/models", "", test.headers...); got.Status != 200 {
				t.Errorf("reading: got %d", got.Status)
			}
			same := append([]string{"Origin", s.URL}, test.headers...)
			if got := s.Do(t, "POST", "/v1/models/music-1/classify", "x", same[:2]...); got.Status != 200 {
				t.Errorf("our own origin in an old browser: got %d", got.Status)
			}
		})
	}
}

// Readiness is that of the server, not of its variants.
func TestReadyDespiteDamagedVariants(t *testing.T) {
	f := servertest.NewEngine()
	f.Err = runtime.Errorf(runtime.Damaged, "digest differs")
	s := start(t, f, server.Options{})
	if got := s.Do(t, "POST", "/v1/models/music-1/classify", "image"); got.Status != 500 {
		t.Fatalf("classify: got %d", got.Status)
	}
	if got := s.Do(t, "GET", "/v2/health/ready", ""); got.Status != 200 {
		t.Errorf("ready: got %d", got.Status)
	}
	s.Drain()
	if got := s.Do(t, "GET", "/v2/health/ready", ""); got.Status != 503 {
		t.Errorf("ready while it drains: got %d", got.Status)
	}
	f.Err = nil
	if got := s.Do(t, "POST", "/v1/models/music-1/classify", "image"); got.Status != 200 {
		t.Errorf("classify while it drains: got %d", got.Status)
	}
}

// No page of another site may read an answer.
func TestNoCrossOriginSharing(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	for _, method := range []string{"GET", "POST", "OPTIONS"} {
		got := s.Do(t, method, "/v1/models", "", "Origin", "https://example.com", "Access-Control-Request-Method", "PUT")
		for name := range got.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s is answered with %s", method, name)
			}
		}
	}
}

// TestUnknownRoutesNameWhatThereIs sends what other servers answer.
func TestUnknownRoutesNameWhatThereIs(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	for _, test := range []struct {
		method, path string
		status       int
		allow, want  string
	}{
		{"POST", "/v1/models/music-1:predict", 404, "", `{"error":"no such route; there is no :predict; POST an image to /v1/models/music-1/classify, or tensors to /v2/models/music-1/infer"}`},
		{"POST", "/v1/models/music-1/versions/1:predict", 404, "", "/v1/models/music-1:1/classify"},
		{"POST", "/v1/models/music-1", 405, "GET, HEAD, PUT, DELETE", `{"error":"method not allowed; POST an image to /v1/models/music-1/classify"}`},
		{"PATCH", "/v1/models/music-1", 405, "GET, HEAD, PUT, DELETE", "use GET, HEAD, PUT, DELETE"},
		{"POST", "/", 405, "GET, HEAD", "/classify"},
		{"DELETE", "/v1/models", 405, "GET, HEAD", "use GET, HEAD"},
		{"GET", "/v2/repository/index", 405, "POST", "use POST"},
		{"OPTIONS", "/v1/models/music-1", 405, "GET, HEAD, PUT, DELETE", "use GET"},
		{"POST", "/v1/chat/completions", 404, "", "/v1/models/NAME/classify"},
		{"POST", "/invocations", 404, "", "/v1/models/NAME/classify"},
		{"POST", "/v2/models/music-1/generate", 404, "", "/v2/models/music-1/infer"},
		{"GET", "/v1/models/", 404, "", "slash"},
		{"GET", "/favicon.ico", 404, "", `{"error":"no such route"}`},
	} {
		got := s.Do(t, test.method, test.path, "")
		if got.Status != test.status || !strings.Contains(got.Body, test.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", test.method, test.path, got.Status, got.Body, test.status, test.want)
		}
		if allow := strings.Join(got.Header["Allow"], ", "); allow != test.allow {
			t.Errorf("%s %s: Allow %q, want %q", test.method, test.path, allow, test.allow)
		}
	}
}
