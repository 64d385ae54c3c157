package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"eigenserve/server"
	"eigenserve/server/auth"
	"eigenserve/server/internal/servertest"
)

// readDocument fetches the document. The compiler compiles any schema in it.
func readDocument(t *testing.T) (compiler *jsonschema.Compiler, document any) {
	t.Helper()
	got := start(t, servertest.NewEngine(), server.Options{}).Do(t, "GET", "/openapi.json", "")
	if got.Status != 200 || got.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v", got.Status, got.Header)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.Body))
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

// TestOpenAPIIsValid validates the document against the schema that the OpenAPI Initiative
// publishes for version 3.1, and compiles each schema in it.
func TestOpenAPIIsValid(t *testing.T) {
	compiler, document := readDocument(t)
	official, err := compiler.Compile("testdata/openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := official.Validate(document); err != nil {
		t.Error(err)
	}
	components := document.(map[string]any)["components"].(map[string]any)
	for name := range components["schemas"].(map[string]any) {
		if _, err := compiler.Compile(documentName + "#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
}

// documentPath returns the path of a route as the document writes it.
func documentPath(path string) string {
	return regexp.MustCompile(`:(\w+)`).ReplaceAllString(strings.ReplaceAll(path, "*", ":path"), "{$1}")
}

// TestOpenAPIHasEveryRoute compares the document with the table of routes.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	var d struct {
		Paths map[string]map[string]struct {
			ID         string                `json:"operationId"`
			Security   []map[string][]string `json:"security"`
			Parameters []struct{ Name, Description string }
		}
	}
	if err := json.Unmarshal([]byte(s.Do(t, "GET", "/openapi.json", "").Body), &d); err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, path := range d.Paths {
		described += len(path)
	}
	routes := s.Routes()
	if described != len(routes) || len(server.Operations) != len(routes) {
		t.Errorf("%d operations are described and %d known, for %d routes", described, len(server.Operations), len(routes))
	}
	for _, rt := range routes {
		path := documentPath(rt.Path)
		o := d.Paths[path][strings.ToLower(rt.Method)]
		if o.ID != rt.Name {
			t.Errorf("%s %s is described as %q, not as %q", rt.Method, path, o.ID, rt.Name)
		}
		if (len(o.Security) > 0) != (rt.Scope != auth.Open) || len(o.Security) > 0 && o.Security[0]["token"][0] != string(rt.Scope) {
			t.Errorf("%s %s: the document says it needs %v", rt.Method, path, o.Security)
		}
		if len(o.Parameters) < strings.Count(path, "{") {
			t.Errorf("%s: only %d parameters are described", rt.Path, len(o.Parameters))
		}
		for _, p := range o.Parameters {
			if p.Description == "" {
				t.Errorf("%s: parameter %q is not described", rt.Path, p.Name)
			}
		}
	}
}

// TestAnswersAreAsDescribed validates the answers and errors of every route against the
// document.
func TestAnswersAreAsDescribed(t *testing.T) {
	upload, uploadType := form(t, "model", "M", "config", "{}")
	sent := map[string][]string{ // body and content type, by route
		"classify":       {"image", "application/octet-stream"},
		"put_variant":    {"file", "application/octet-stream"},
		"put_alias":      {`{"model":"sans-lao"}`, "application/json"},
		"add_checkpoint": {upload, uploadType},
		"v2_infer":       {`{"inputs":[{"name":"pixel_values","datatype":"FP32","shape":[2,2,1,1],"data":[1,2,3,4]}]}`, "application/json"},
		"v2_index":       {`{"ready":true}`, "application/json"},
		"v2_load":        {`{"parameters":{}}`, "application/json"},
		"v2_unload":      {`{}`, "application/json"},
	}
	sent["v2_infer_version"] = sent["v2_infer"]
	compiler, document := readDocument(t)
	samples := fstest.MapFS{"music-1/a.png": {Data: []byte("PNG")}}
	for _, rt := range start(t, servertest.NewEngine(), server.Options{}).Routes() {
		t.Run(rt.Name, func(t *testing.T) {
			for _, address := range []string{examplePath(rt), strings.Replace(examplePath(rt), "music-1", "nobody", 1)} {
				s := start(t, servertest.NewEngine(), server.Options{Samples: samples})
				body, headers := "", []string{}
				if b := sent[rt.Name]; b != nil {
					body, headers = b[0], []string{"Content-Type", b[1]}
				}
				got := s.Do(t, rt.Method, address, body, headers...)
				if got.Status >= 500 {
					t.Errorf("%s: got %d %s", address, got.Status, got.Body)
				}
				if err := checkDescribed(compiler, document, rt, got); err != nil {
					t.Errorf("%s: got %d %s: %v", address, got.Status, got.Body, err)
				}
			}
		})
	}
}

// checkDescribed validates an answer against the description of its route and status.
func checkDescribed(compiler *jsonschema.Compiler, document any, rt server.Route, got servertest.Response) error {
	path := documentPath(rt.Path)
	escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
	at := documentName + "#/paths/" + escaped + "/" + strings.ToLower(rt.Method) + "/responses/" + strconv.Itoa(got.Status)
	responses := document.(map[string]any)["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(rt.Method)].(map[string]any)["responses"].(map[string]any)
	answer, known := responses[strconv.Itoa(got.Status)].(map[string]any)
	if !known {
		if got.Status < 400 {
			return errors.New("the status is not described")
		}
		at, answer = documentName+"#/components/responses/Error", document.(map[string]any)["components"].(map[string]any)["responses"].(map[string]any)["Error"].(map[string]any)
	}
	content, _ := answer["content"].(map[string]any)
	kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	switch {
	case content == nil && got.Body == "":
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
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(got.Body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
