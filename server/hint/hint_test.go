package hint_test

import (
	"strings"
	"testing"

	"eigenserve/server/hint"
)

func TestFor(t *testing.T) {
	for _, test := range []struct {
		line, want string // a part of the text; "": no text
		missing    bool
	}{
		{"POST /v1/models/warblers:predict", "there is no :predict; POST an image to /v1/models/warblers/classify, or tensors to /v2/models/warblers/infer", true},
		{"POST /v1/models/warblers:explain", "/v1/models/warblers/classify", true},
		{"POST /v1/models/warblers/versions/3:predict", "/v1/models/warblers:3/classify", true},
		{"POST /v1/models/warblers/labels/stable:predict", "/v1/models/warblers/classify", true},
		{"POST /v1/models/warblers:3", "POST an image to /v1/models/warblers:3/classify", false},
		{"POST /v1/models/warblers", "POST an image to /v1/models/warblers/classify", false},
		{"POST /v1/models/a%20b", "/v1/models/a%20b/classify", false},
		{"PATCH /v1/models/warblers", "", false},
		{"GET /v1/models/warblers/metadata", "GET /v1/models/warblers and", false},
		{"POST /", "/v1/models/NAME/classify", false},
		{"PUT /", "", false},
		{"GET /v1/models/", "slash at the end", false},
		{"POST /v1/chat/completions", "/v1/models/NAME/classify, or tensors to /v2/models/NAME/infer", false},
		{"POST /v1/embeddings", "/classify", false},
		{"POST /v1/images/generations", "/classify", false},
		{"POST /predict", "/classify", false},
		{"POST /predictions/warblers", "/v1/models/warblers/classify", false},
		{"POST /models/warblers", "/v1/models/warblers/classify", false},
		{"POST /invocations", "/classify", false},
		{"POST /generate", "/classify", false},
		{"POST /generate_stream", "/classify", false},
		{"POST /api/generate", "/classify", false},
		{"GET /models", "GET /v1/models", false},
		{"GET /ping", "/v2/health/live", false},
		{"GET /health", "/v2/health/ready", false},
		{"GET /v1/health/ready", "/v2/health/ready", false},
		{"GET /docs", "/openapi.json", false},
		{"GET /v2/", "slash", false},
		{"POST /v2/models/warblers/generate", "/v2/models/warblers/infer", false},
		{"POST /v2/systemsharedmemory/region/x/register", "shared memory is not supported", false},
		{"GET /v2/models/warblers/trace/setting", "settings are flags", false},
		{"GET /v2/models", "/v2/repository/index", false},
		{"GET /v2/none", "", false},
		{"GET /v1/nothing", "", false},
		{"GET /favicon.ico", "", false},
		{"POST //", "slash", false},
		{"POST /" + strings.Repeat("x", 500), "", false},
	} {
		method, path, _ := strings.Cut(test.line, " ")
		text, missing := hint.For(method, path)
		if missing != test.missing || !strings.Contains(text, test.want) || (test.want == "") != (text == "") {
			t.Errorf("%s: got %q, %v", test.line, text, missing)
		}
		if len(text) > 160 {
			t.Errorf("%s: the text is long: %s", test.line, text)
		}
	}
}
