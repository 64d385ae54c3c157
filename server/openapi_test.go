package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eigenserve/server/auth"
)

// described reads the document into a compiler of schemas, which finds any part
// of it by its pointer.
func described(t *testing.T) (compiler *jsonschema.Compiler, document any) {
	t.Helper()
	got := start(t, newFake(), Options{}).do(t, "GET", "/openapi.json", "")
	if got.status != 200 || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v", got.status, got.header)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	compiler = jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(documentName, document); err != nil {
		t.Fatal(err)
	}
	return compiler, document
}

const documentName = "https://eigenserve.invalid/openapi.json"

// TestOpenAPIIsValid holds the document to the schema that the OpenAPI Initiative
// publishes for version 3.1, and each schema in it to JSON Schema's own.
func TestOpenAPIIsValid(t *testing.T) {
	compiler, document := described(t)
	official, err := compiler.Compile("testdata/openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := official.Validate(document); err != nil {
		t.Error(err)
	}
	components := document.(object)["components"].(object)
	for name := range components["schemas"].(object) {
		if _, err := compiler.Compile(documentName + "#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenAPIHasEveryRoute holds the document to the table of routes: none is
// missing, none is too many.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	s := start(t, newFake(), Options{})
	var d struct {
		Paths map[string]map[string]struct {
			ID       string                `json:"operationId"`
			Security []map[string][]string `json:"security"`
		}
	}
	if err := json.Unmarshal([]byte(s.do(t, "GET", "/openapi.json", "").body), &d); err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, path := range d.Paths {
		described += len(path)
	}
	routes := s.routes()
	if described != len(routes) || len(operations) != len(routes) {
		t.Errorf("%d operations are described and %d known, for %d routes", described, len(operations), len(routes))
	}
	for _, rt := range routes {
		path, parameters := pathOf(rt.path)
		o := d.Paths[path][strings.ToLower(rt.method)]
		if o.ID != rt.name {
			t.Errorf("%s %s is described as %q, not as %q", rt.method, path, o.ID, rt.name)
		}
		if (len(o.Security) > 0) != (rt.scope != auth.Open) || len(o.Security) > 0 && o.Security[0]["token"][0] != string(rt.scope) {
			t.Errorf("%s %s is described to need %v", rt.method, path, o.Security)
		}
		for _, name := range parameters {
			if pathParameters[name] == "" {
				t.Errorf("%s: parameter %q is not described", rt.path, name)
			}
		}
	}
}

// TestAnswersAreAsDescribed asks every route and holds what it answers, and what
// an error is, to the document.
func TestAnswersAreAsDescribed(t *testing.T) {
	upload, uploadType := form(t, "model", "M", "config", "{}")
	sent := map[string][]string{ // body and content type, by route
		"classify":       {"image", "application/octet-stream"},
		"put_variant":    {"file", "application/octet-stream"},
		"put_alias":      {`{"model":"sans-lao"}`, "application/json"},
		"add_checkpoint": {upload, uploadType},
		"v2_infer":       {twoPixels(`"data":[1,2,3,4]`), "application/json"},
		"v2_index":       {`{"ready":true}`, "application/json"},
		"v2_load":        {`{"parameters":{}}`, "application/json"},
		"v2_unload":      {`{}`, "application/json"},
	}
	sent["v2_infer_version"] = sent["v2_infer"]
	compiler, document := described(t)
	samples := fstest.MapFS{"music-1/a.png": {Data: []byte("PNG")}}
	for _, rt := range start(t, newFake(), Options{}).routes() {
		t.Run(rt.name, func(t *testing.T) {
			for _, address := range []string{rt.someAddress(), strings.Replace(rt.someAddress(), "music-1", "nobody", 1)} {
				s := start(t, newFake(), Options{Samples: samples})
				body, headers := "", []string{}
				if b := sent[rt.name]; b != nil {
					body, headers = b[0], []string{"Content-Type", b[1]}
				}
				got := s.do(t, rt.method, address, body, headers...)
				if got.status >= 500 {
					t.Errorf("%s: got %d %s", address, got.status, got.body)
				}
				if err := asDescribed(compiler, document, rt, got); err != nil {
					t.Errorf("%s: got %d %s: %v", address, got.status, got.body, err)
				}
			}
		})
	}
}

// asDescribed holds an answer to what the document says of its route and status.
func asDescribed(compiler *jsonschema.Compiler, document any, rt route, got reply) error {
	path, _ := pathOf(rt.path)
	escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
	at := documentName + "#/paths/" + escaped + "/" + strings.ToLower(rt.method) + "/responses/" + strconv.Itoa(got.status)
	responses := document.(object)["paths"].(object)[path].(object)[strings.ToLower(rt.method)].(object)["responses"].(object)
	answer, known := responses[strconv.Itoa(got.status)].(object)
	if !known {
		if got.status < 400 {
			return errors.New("this status is not described")
		}
		at, answer = documentName+"#/components/responses/Error", document.(object)["components"].(object)["responses"].(object)["Error"].(object)
	}
	content, _ := answer["content"].(object)
	kind, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	switch {
	case content == nil && got.body == "":
		return nil
	case content["*/*"] != nil, strings.HasPrefix(kind, "image/") && content["image/*"] != nil:
		return nil
	case content[kind] == nil:
		return fmt.Errorf("media type %q is not described", kind)
	case kind != "application/json":
		return nil
	}
	schema, err := compiler.Compile(at + "/content/application~1json/schema")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
