// Package apidoc writes OpenAPI 3.1 documents from descriptions of routes and from the
// Go types that they read and answer. It knows no particular route.
package apidoc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Object is a JSON object of the document.
type Object = map[string]any

// Document is what there is to describe.
type Document struct {
	Info       Object
	Parameters map[string]string // what each parameter of a path is
	Error      any               // a value of the type that errors are answered with
	Token      string            // what the token is that routes with a scope need
	Routes     []Route
}

// Route is a route and what there is to say of it.
type Route struct {
	ID     string
	Method string
	Path   string // with parameters such as :name, and * for the rest
	Tag    string
	Scope  string // that a token needs; "": no token is needed
	Operation
}

// Operation describes what a route does, reads and answers.
type Operation struct {
	Summary string
	Query   []Parameter
	Headers []Parameter
	Body    []Content
	Answers []Answer
}

// Parameter is a parameter of the query, or a header.
type Parameter struct {
	Name, About string
	Schema      Object
}

// Content is one form of a body. Value is its schema, if it is an Object, or else a
// value of the type that encoding/json reads or writes there.
type Content struct {
	MediaType string
	Value     any
}

// Answer is a status of success. Without content, the body is empty.
type Answer struct {
	Status  int
	About   string
	Content []Content
	Headers []Parameter
}

// AnyOf is the value of a Content that has one of several types.
type AnyOf []any

// Marshal returns the document as JSON. Every parameter of a path must be described.
func (d Document) Marshal() ([]byte, error) {
	schemas := schemaSet{Object{}, map[string]reflect.Type{}}
	paths := Object{}
	for _, rt := range d.Routes {
		path, names := splitPath(rt.Path)
		item, _ := paths[path].(Object)
		if item == nil {
			item = Object{}
			paths[path] = item
		}
		var parameters []Object
		for _, name := range names {
			about, ok := d.Parameters[name]
			if !ok {
				return nil, fmt.Errorf("route %q: parameter %q is not described", rt.ID, name)
			}
			parameters = append(parameters, Object{"name": name, "in": "path", "required": true, "description": about, "schema": Object{"type": "string"}})
		}
		item[strings.ToLower(rt.Method)] = rt.object(parameters, schemas)
	}
	errorSchema := schemas.of(d.Error)
	return json.Marshal(Object{
		"openapi": "3.1.0",
		"info":    d.Info,
		"servers": []Object{{"url": "/"}},
		"paths":   paths,
		"components": Object{
			"schemas": schemas.schemas,
			"responses": Object{"Error": Object{
				"description": "What is wrong, for the caller to read.",
				"content":     Object{"application/json": Object{"schema": errorSchema}},
			}},
			"securitySchemes": Object{"token": Object{"type": "http", "scheme": "bearer", "description": d.Token}},
		},
	})
}

// splitPath returns a route's path as OpenAPI writes it, and its parameters.
func splitPath(path string) (out string, parameters []string) {
	parts := strings.Split(strings.ReplaceAll(path, "*", ":path"), "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
			parameters = append(parameters, name)
		}
	}
	return strings.Join(parts, "/"), parameters
}

// object returns the description of a route; parameters are those of its path.
func (rt Route) object(parameters []Object, schemas schemaSet) Object {
	d := Object{"operationId": rt.ID, "summary": rt.Summary, "tags": []string{rt.Tag}}
	for _, p := range rt.Query {
		parameters = append(parameters, Object{"name": p.Name, "in": "query", "description": p.About, "schema": p.Schema})
	}
	for _, p := range rt.Headers {
		parameters = append(parameters, Object{"name": p.Name, "in": "header", "description": p.About, "schema": p.Schema})
	}
	if parameters != nil {
		d["parameters"] = parameters
	}
	if rt.Body != nil {
		d["requestBody"] = Object{"content": contents(rt.Body, schemas)}
	}
	if rt.Scope != "" {
		d["security"] = []Object{{"token": []string{rt.Scope}}}
	}
	responses := Object{"default": Object{"$ref": "#/components/responses/Error"}}
	for _, a := range rt.Answers {
		responses[strconv.Itoa(a.Status)] = a.object(schemas)
	}
	d["responses"] = responses
	return d
}

func (a Answer) object(schemas schemaSet) Object {
	d := Object{"description": a.About}
	if a.Content != nil {
		d["content"] = contents(a.Content, schemas)
	}
	if a.Headers != nil {
		headers := Object{}
		for _, h := range a.Headers {
			headers[h.Name] = Object{"description": h.About, "schema": h.Schema}
		}
		d["headers"] = headers
	}
	return d
}

func contents(list []Content, schemas schemaSet) Object {
	out := Object{}
	for _, c := range list {
		schema, ok := c.Value.(Object)
		if !ok {
			schema = schemas.of(c.Value)
		}
		out[c.MediaType] = Object{"schema": schema}
	}
	return out
}
