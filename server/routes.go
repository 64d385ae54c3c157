package server

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/cors"
	"eigenserve/server/oip"
	"eigenserve/server/wire"
)

// route is a row of the table of routes.
type route struct {
	name         string // in metrics, logs and the OpenAPI document
	method, path string
	scope        auth.Scope // that a token needs
	limit        int64      // of the body in bytes; 0: no body is read
	handle       func(*request) error
}

// routes returns the table of all routes. One for GET answers HEAD, too.
func (s *Server) routes() []route {
	image, variant, checkpoint := s.options.ImageLimit, s.options.VariantLimit, s.options.CheckpointLimit
	return []route{
		{"page", "GET", "/", auth.Open, 0, s.getPage},
		{"asset", "GET", "/assets/:file", auth.Open, 0, s.getAsset},
		{"openapi", "GET", "/openapi.json", auth.Open, 0, s.getOpenAPI},
		{"samples", "GET", "/samples/*", auth.Read, 0, s.getSample},

		{"classify", "POST", "/v1/models/:variant/classify", auth.Infer, image, s.classify},
		{"variants", "GET", "/v1/models", auth.Read, 0, s.listVariants},
		{"variant", "GET", "/v1/models/:variant", auth.Read, 0, s.getVariant},
		{"put_variant", "PUT", "/v1/models/:variant", auth.Admin, variant, s.putVariant},
		{"delete_variant", "DELETE", "/v1/models/:variant", auth.Admin, 0, s.deleteVariant},
		{"pin", "POST", "/v1/models/:variant/pin", auth.Admin, 0, s.pinVariant},
		{"unpin", "DELETE", "/v1/models/:variant/pin", auth.Admin, 0, s.unpinVariant},

		{"versions", "GET", "/v1/models/:variant/versions", auth.Read, 0, s.listVersions},
		{"version", "GET", "/v1/models/:variant/versions/:version", auth.Read, 0, s.getVersion},
		{"delete_version", "DELETE", "/v1/models/:variant/versions/:version", auth.Admin, 0, s.deleteVersion},

		{"aliases", "GET", "/v1/aliases", auth.Read, 0, s.listAliases},
		{"alias", "GET", "/v1/aliases/:alias", auth.Read, 0, s.getAlias},
		{"put_alias", "PUT", "/v1/aliases/:alias", auth.Admin, aliasLimit, s.putAlias},
		{"delete_alias", "DELETE", "/v1/aliases/:alias", auth.Admin, 0, s.deleteAlias},

		{"families", "GET", "/v1/families", auth.Read, 0, s.listFamilies},
		{"family", "GET", "/v1/families/:family", auth.Read, 0, s.getFamily},
		{"add_checkpoint", "POST", "/v1/families/:family/models/:variant", auth.Admin, checkpoint, s.addCheckpoint},

		{"memory", "GET", "/v1/memory", auth.Read, 0, s.getMemory},
		{"metrics", "GET", "/metrics", auth.Read, 0, s.getMetrics},
		{"live", "GET", "/v2/health/live", auth.Open, 0, s.getLive},
		{"ready", "GET", "/v2/health/ready", auth.Open, 0, s.getReady},
		{"v2_server", "GET", "/v2", auth.Read, 0, s.getServerMetadata},
		{"v2_all_stats", "GET", "/v2/models/stats", auth.Read, 0, s.getStats},
		{"v2_model", "GET", "/v2/models/:variant", auth.Read, 0, s.getModelMetadata},
		{"v2_version", "GET", "/v2/models/:variant/versions/:version", auth.Read, 0, s.getModelMetadata},
		{"v2_model_config", "GET", "/v2/models/:variant/config", auth.Read, 0, s.getModelConfig},
		{"v2_version_config", "GET", "/v2/models/:variant/versions/:version/config", auth.Read, 0, s.getModelConfig},
		{"v2_model_ready", "GET", "/v2/models/:variant/ready", auth.Read, 0, s.getModelReady},
		{"v2_version_ready", "GET", "/v2/models/:variant/versions/:version/ready", auth.Read, 0, s.getModelReady},
		{"v2_model_stats", "GET", "/v2/models/:variant/stats", auth.Read, 0, s.getStats},
		{"v2_version_stats", "GET", "/v2/models/:variant/versions/:version/stats", auth.Read, 0, s.getStats},
		{"v2_infer", "POST", "/v2/models/:variant/infer", auth.Infer, image, s.infer},
		{"v2_infer_version", "POST", "/v2/models/:variant/versions/:version/infer", auth.Infer, image, s.infer},
		{"v2_index", "POST", "/v2/repository/index", auth.Read, oip.RepositoryLimit, s.index},
		{"v2_load", "POST", "/v2/repository/models/:variant/load", auth.Admin, variant/3*4 + oip.RepositoryLimit, s.load},
		{"v2_unload", "POST", "/v2/repository/models/:variant/unload", auth.Admin, oip.RepositoryLimit, s.unload},
		{"v2_system_memory", "GET", "/v2/systemsharedmemory/status", auth.Read, 0, s.getSharedMemory},
		{"v2_system_memory_unregister", "POST", "/v2/systemsharedmemory/unregister", auth.Read, 0, s.unregisterSharedMemory},
		{"v2_cuda_memory", "GET", "/v2/cudasharedmemory/status", auth.Read, 0, s.getSharedMemory},
		{"v2_cuda_memory_unregister", "POST", "/v2/cudasharedmemory/unregister", auth.Read, 0, s.unregisterSharedMemory},
	}
}

// register adds routes to the app.
func (s *Server) register(routes []route) {
	for _, rt := range routes {
		handler := s.serve(rt)
		s.app.Add(rt.method, rt.path, handler)
		if rt.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, rt.path, handler)
		}
	}
	if s.options.CORS == nil {
		return
	}
	preflights := s.preflights(routes)
	for _, rt := range routes {
		if f, ok := preflights[rt.path]; ok {
			s.app.Add(fiber.MethodOptions, rt.path, func(c *fiber.Ctx) error { return s.answerPreflight(c, f) })
			delete(preflights, rt.path) // other methods of the same path have the same
		}
	}
}

// preflights returns what pages of other origins may send to each path.
func (s *Server) preflights(routes []route) map[string]cors.Preflight {
	out := map[string]cors.Preflight{}
	for _, rt := range routes {
		f := out[rt.path]
		f.Methods = append(f.Methods, rt.method)
		if rt.method == fiber.MethodGet {
			f.Methods = append(f.Methods, fiber.MethodHead)
		}
		for name, used := range map[string]bool{
			fiber.HeaderAuthorization:   s.options.Tokens != nil && rt.scope != auth.Open,
			fiber.HeaderContentType:     rt.limit > 0,
			fiber.HeaderContentEncoding: rt.limit > 0,
			headerDeadline:              rt.scope == auth.Infer,
			oip.HeaderJSONLength:        rt.scope == auth.Infer && strings.HasPrefix(rt.path, "/v2"),
			headerRequestID:             true,
			"Traceparent":               true,
			"Tracestate":                true,
		} {
			if used && !slices.Contains(f.Headers, name) {
				f.Headers = append(f.Headers, name)
			}
		}
		slices.Sort(f.Headers)
		out[rt.path] = f
	}
	return out
}

// answerPreflight answers a browser that asks whether a page of another origin may send a
// request. No token is needed: browsers send none.
func (s *Server) answerPreflight(c *fiber.Ctx, f cors.Preflight) error {
	rec := recordOf(c.Context())
	rec.route, rec.quiet = "preflight", true
	if err := auth.CheckHost(c.Get(fiber.HeaderHost), s.options.Hosts); err != nil {
		return s.fail(c, err)
	}
	if !isPreflight(c) {
		c.Set(fiber.HeaderAllow, strings.Join(f.Methods, ", ")+", "+fiber.MethodOptions)
		return c.SendStatus(fiber.StatusNoContent)
	}
	if !s.options.CORS.Allows(utils.CopyString(c.Get(fiber.HeaderOrigin))) {
		return s.fail(c, auth.ErrForeignPage)
	}
	f.Answer(c.Get("Access-Control-Request-Private-Network") == "true", c.Set)
	return c.SendStatus(fiber.StatusNoContent)
}

// isPreflight reports whether a browser asks what a page of another origin may send.
func isPreflight(c *fiber.Ctx) bool {
	return c.Method() == fiber.MethodOptions && c.Get(fiber.HeaderOrigin) != "" && c.Get(fiber.HeaderAccessControlRequestMethod) != ""
}

// serve returns the handler of a route in what all routes share: its span, the limit of
// its body, its checks, recovery from panics, and the answers to errors.
func (s *Server) serve(rt route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		rec := recordOf(c.Context())
		rec.route, rec.quiet = rt.name, rt.scope == auth.Open
		r := &request{Ctx: c, record: rec, base: s.base}
		r.body.setLimit(rt.limit, "")
		s.tracer.begin(r, rt)
		err := s.handle(rt, r)
		r.close()
		if err != nil {
			err = s.fail(c, err)
		}
		return err
	}
}

// handle calls the handler of a route if the request passes its checks. It returns a
// panic as an error with its stack.
func (s *Server) handle(rt route, r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("server: panic in %s: %v\n%s", rt.name, p, debug.Stack())
		}
	}()
	if err := s.check(rt, r); err != nil {
		return err
	}
	return rt.handle(r)
}

// check returns an error if a request may not reach the handler of its route, by its
// head alone.
func (s *Server) check(rt route, r *request) (err error) {
	if err := auth.CheckHost(r.Get(fiber.HeaderHost), s.options.Hosts); err != nil {
		return err
	}
	if !s.options.CORS.Allows(r.Get(fiber.HeaderOrigin)) {
		if err := auth.CheckOrigin(r.Method(), r.Get("Sec-Fetch-Site"), r.Get(fiber.HeaderOrigin), r.Get(fiber.HeaderHost)); err != nil {
			return err
		}
	}
	r.caller, err = s.options.Tokens.Admit(r.Get(fiber.HeaderAuthorization), rt.scope)
	if wire.CodeOf(err) == runtime.Overloaded {
		r.body.discardShort()
	}
	if err != nil {
		return err
	}
	if rt.scope == auth.Infer {
		if err := s.checkInflight(r); err != nil {
			return err
		}
	}
	if rt.limit == 0 {
		return nil
	}
	coding, ok := wire.ParseCoding(r.headers(fiber.HeaderContentEncoding))
	if !ok {
		r.Set(fiber.HeaderAcceptEncoding, wire.AcceptEncoding)
		return runtime.Errorf(runtime.Unsupported, "the body has a Content-Encoding that this server does not read: use one of %s, or none", wire.AcceptEncoding)
	}
	r.body.setLimit(rt.limit, coding)
	return r.body.check()
}
