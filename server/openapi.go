package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"eigenserve/server/auth"
)

// object is a JSON object of the OpenAPI document.
type object = map[string]any

// pathParameters describe what stands in paths. A route's parameter has to be here.
var pathParameters = map[string]string{
	"variant": "A model: its name, an alias, name:version, or name@digest with at least the first 8 digits.",
	"version": "The number of one of the model's versions.",
	"alias":   "Name of an alias.",
	"family":  "Name of a family.",
	"file":    "Name of one of the page's files.",
	"path":    "Path of a sample; without one, the list of them.",
}

// document is the OpenAPI description of routes. It is made of their table, of
// operations, and of the types that handlers answer with.
func (s *Server) document(routes []route) ([]byte, error) {
	schemas := schemaSet{object{}, map[string]reflect.Type{}}
	paths := object{}
	for _, rt := range routes {
		o, ok := operations[rt.name]
		if !ok {
			return nil, fmt.Errorf("server: route %q has no operation", rt.name)
		}
		path, parameters := pathOf(rt.path)
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(rt.method)] = o.describe(rt, parameters, schemas)
	}
	problemRef := schemas.of(problem{})
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "Eigenserve",
			"version":     s.options.Version,
			"description": "Serves families of fine-tuned models from one shared basis. Routes under /v2 are the Open Inference Protocol.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": schemas.schemas,
			"responses": object{"Error": object{
				"description": "What is wrong, in words for the caller.",
				"content":     object{fiber.MIMEApplicationJSON: object{"schema": problemRef}},
			}},
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer",
				"description": "A token of the server's file of tokens; none is asked for where there is no such file."}},
		},
	})
}

// pathOf turns a route's path into OpenAPI's form, and names its parameters.
func pathOf(path string) (out string, parameters []string) {
	parts := strings.Split(strings.ReplaceAll(path, "*", ":path"), "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
			parameters = append(parameters, name)
		}
	}
	return strings.Join(parts, "/"), parameters
}

// operation is what the document says of a route beside its row of the table.
type operation struct {
	summary string
	query   []parameter
	headers []parameter
	body    []content
	answers []answer
}

// parameter is one of the query or a header.
type parameter struct {
	name, about string
	schema      object
}

// content is a form that a body may have. value gives its schema: an object as it
// is, any other value by its type.
type content struct {
	mediaType string
	value     any
}

// answer is a status of success. No content: the body is empty.
type answer struct {
	status  int
	about   string
	content []content
	headers []parameter
}

func (o operation) describe(rt route, inPath []string, schemas schemaSet) object {
	d := object{"operationId": rt.name, "summary": o.summary, "tags": []string{tagOf(rt.path)}}
	var parameters []object
	for _, name := range inPath {
		parameters = append(parameters, object{"name": name, "in": "path", "required": true, "description": pathParameters[name], "schema": object{"type": "string"}})
	}
	for _, p := range o.query {
		parameters = append(parameters, object{"name": p.name, "in": "query", "description": p.about, "schema": p.schema})
	}
	for _, p := range o.headers {
		parameters = append(parameters, object{"name": p.name, "in": "header", "description": p.about, "schema": p.schema})
	}
	if parameters != nil {
		d["parameters"] = parameters
	}
	if o.body != nil {
		d["requestBody"] = object{"content": contents(o.body, schemas)}
	}
	if rt.scope != auth.Open {
		d["security"] = []object{{"token": []string{string(rt.scope)}}}
	}
	responses := object{"default": object{"$ref": "#/components/responses/Error"}}
	for _, a := range o.answers {
		responses[strconv.Itoa(a.status)] = a.describe(schemas)
	}
	d["responses"] = responses
	return d
}

func (a answer) describe(schemas schemaSet) object {
	d := object{"description": a.about}
	if a.content != nil {
		d["content"] = contents(a.content, schemas)
	}
	if a.headers != nil {
		headers := object{}
		for _, h := range a.headers {
			headers[h.name] = object{"description": h.about, "schema": h.schema}
		}
		d["headers"] = headers
	}
	return d
}

func contents(list []content, schemas schemaSet) object {
	out := object{}
	for _, c := range list {
		schema, ok := c.value.(object)
		if !ok {
			schema = schemas.of(c.value)
		}
		out[c.mediaType] = object{"schema": schema}
	}
	return out
}

// tagOf sorts routes into groups: models, aliases, protocol v2 …
func tagOf(path string) string {
	switch parts := strings.Split(path, "/"); {
	case parts[1] == "v1":
		return parts[2]
	case parts[1] == "v2":
		return "protocol v2"
	case parts[1] == "metrics":
		return "operations"
	}
	return "page"
}

// getOpenAPI answers GET /openapi.json.
func (s *Server) getOpenAPI(r *request) error {
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	r.Set(fiber.HeaderCacheControl, "no-cache")
	return r.Send(s.openAPI)
}
