package server

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"eigenserve/server/apidoc"
)

// pathParameters describe the parameters in the paths of routes.
var pathParameters = map[string]string{
	"variant": "A model: its name, an alias, name:version, or name@digest with at least the first 8 digits.",
	"version": "The number of a version of the model.",
	"alias":   "The name of an alias.",
	"family":  "The name of a family.",
	"file":    "The name of a file of the page.",
	"path":    "The path of a sample image; without it, the list of them.",
}

// document returns the OpenAPI description of routes: of their table, of operations,
// and of the types that handlers read and answer.
func (s *Server) document(routes []route) ([]byte, error) {
	d := apidoc.Document{
		Info: apidoc.Object{
			"title":       "Eigenserve",
			"version":     s.options.Version,
			"description": "Serves families of fine-tuned models from one shared basis. The routes under /v2 are the Open Inference Protocol.",
			"license":     apidoc.Object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		Parameters: pathParameters,
		Error:      problem{},
		Token:      "A token from the server's token file. A server without such a file needs none.",
	}
	for _, rt := range routes {
		o, ok := operations[rt.name]
		if !ok {
			return nil, fmt.Errorf("server: route %q has no operation", rt.name)
		}
		d.Routes = append(d.Routes, apidoc.Route{ID: rt.name, Method: rt.method, Path: rt.path, Tag: tagOf(rt.path), Scope: string(rt.scope), Operation: o})
	}
	return d.Marshal()
}

// tagOf returns the group of a route: models, aliases, protocol v2 …
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
