package apidoc_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"eigenserve/server/apidoc"
)

// node refers to itself.
type node struct {
	Name  string            `json:"name"`
	Next  *node             `json:"next,omitempty"`
	Added time.Time         `json:"added"`
	Sizes map[string]int64  `json:"sizes"`
	Raw   json.RawMessage   `json:"raw"`
	List  []struct{ N int } `json:"list"`
	_     int               // not exported, so not in the document
}

func TestDocument(t *testing.T) {
	d := apidoc.Document{
		Parameters: map[string]string{"name": "A name."},
		Error:      struct{ Error string }{},
		Routes: []apidoc.Route{{ID: "get", Method: "GET", Path: "/nodes/:name", Tag: "nodes", Scope: "read", Operation: apidoc.Operation{
			Summary: "Get a node",
			Answers: []apidoc.Answer{{Status: 200, About: "The node.", Content: []apidoc.Content{{MediaType: "application/json", Value: node{}}}}},
		}}},
	}
	raw, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Paths["/nodes/{name}"]["get"] == nil {
		t.Errorf("paths: %v", got.Paths)
	}
	want := map[string]any{"Node": map[string]any{
		"type":     "object",
		"required": []any{"name", "added", "sizes", "raw", "list"},
		"properties": map[string]any{
			"name":  map[string]any{"type": "string"},
			"next":  map[string]any{"$ref": "#/components/schemas/Node"},
			"added": map[string]any{"type": "string", "format": "date-time"},
			"sizes": map[string]any{"type": []any{"object", "null"}, "additionalProperties": map[string]any{"type": "integer"}},
			"raw":   map[string]any{},
			"list": map[string]any{"type": []any{"array", "null"}, "items": map[string]any{
				"type": "object", "required": []any{"N"}, "properties": map[string]any{"N": map[string]any{"type": "integer"}}}},
		},
	}}
	if diff := cmp.Diff(want, got.Components.Schemas); diff != "" {
		t.Error(diff)
	}
}

func TestEveryParameterIsDescribed(t *testing.T) {
	d := apidoc.Document{Error: "", Routes: []apidoc.Route{{ID: "get", Method: "GET", Path: "/nodes/:name"}}}
	if _, err := d.Marshal(); err == nil || !strings.Contains(err.Error(), `"name"`) {
		t.Errorf("got %v", err)
	}
}
