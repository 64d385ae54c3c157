package server

import (
	"fmt"
	"runtime/debug"

	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
)

// route is a row of the table: a name for metrics, what it answers to, the scope
// that a token needs for it, how many bytes of body it takes (0: none is read),
// and its handler.
type route struct {
	name, method, path string
	scope              scope
	limit              int64
	handle             func(*request) error
}

// routes is the table of all routes. One for GET answers HEAD too.
func (s *Server) routes() []route {
	image, variant, checkpoint := s.options.ImageLimit, s.options.VariantLimit, s.options.CheckpointLimit
	return []route{
		{"page", "GET", "/", scopeOpen, 0, s.getPage},
		{"asset", "GET", "/assets/:file", scopeOpen, 0, s.getAsset},
		{"openapi", "GET", "/openapi.json", scopeOpen, 0, s.getOpenAPI},
		{"samples", "GET", "/samples/*", scopeRead, 0, s.getSample},

		{"classify", "POST", "/v1/models/:variant/classify", scopeInfer, image, s.classify},
		{"variants", "GET", "/v1/models", scopeRead, 0, s.listVariants},
		{"variant", "GET", "/v1/models/:variant", scopeRead, 0, s.getVariant},
		{"put_variant", "PUT", "/v1/models/:variant", scopeAdmin, variant, s.putVariant},
		{"delete_variant", "DELETE", "/v1/models/:variant", scopeAdmin, 0, s.deleteVariant},
		{"pin", "POST", "/v1/models/:variant/pin", scopeAdmin, 0, s.pinVariant},
		{"unpin", "DELETE", "/v1/models/:variant/pin", scopeAdmin, 0, s.unpinVariant},

		{"versions", "GET", "/v1/models/:variant/versions", scopeRead, 0, s.listVersions},
		{"version", "GET", "/v1/models/:variant/versions/:version", scopeRead, 0, s.getVersion},
		{"delete_version", "DELETE", "/v1/models/:variant/versions/:version", scopeAdmin, 0, s.deleteVersion},

		{"aliases", "GET", "/v1/aliases", scopeRead, 0, s.listAliases},
		{"alias", "GET", "/v1/aliases/:alias", scopeRead, 0, s.getAlias},
		{"put_alias", "PUT", "/v1/aliases/:alias", scopeAdmin, aliasLimit, s.putAlias},
		{"delete_alias", "DELETE", "/v1/aliases/:alias", scopeAdmin, 0, s.deleteAlias},

		{"families", "GET", "/v1/families", scopeRead, 0, s.listFamilies},
		{"family", "GET", "/v1/families/:family", scopeRead, 0, s.getFamily},
		{"add_checkpoint", "POST", "/v1/families/:family/models/:variant", scopeAdmin, checkpoint, s.addCheckpoint},

		{"memory", "GET", "/v1/memory", scopeRead, 0, s.getMemory},
		{"metrics", "GET", "/metrics", scopeRead, 0, s.getMetrics},
		{"live", "GET", "/v2/health/live", scopeOpen, 0, s.getLive},
		{"ready", "GET", "/v2/health/ready", scopeOpen, 0, s.getReady},
		{"v2_server", "GET", "/v2", scopeRead, 0, s.getServerMetadata},
		{"v2_all_stats", "GET", "/v2/models/stats", scopeRead, 0, s.getStats},
		{"v2_model", "GET", "/v2/models/:variant", scopeRead, 0, s.getModelMetadata},
		{"v2_version", "GET", "/v2/models/:variant/versions/:version", scopeRead, 0, s.getModelMetadata},
		{"v2_model_ready", "GET", "/v2/models/:variant/ready", scopeRead, 0, s.getModelReady},
		{"v2_version_ready", "GET", "/v2/models/:variant/versions/:version/ready", scopeRead, 0, s.getModelReady},
		{"v2_model_stats", "GET", "/v2/models/:variant/stats", scopeRead, 0, s.getStats},
		{"v2_version_stats", "GET", "/v2/models/:variant/versions/:version/stats", scopeRead, 0, s.getStats},
		{"v2_infer", "POST", "/v2/models/:variant/infer", scopeInfer, image, s.infer},
		{"v2_infer_version", "POST", "/v2/models/:variant/versions/:version/infer", scopeInfer, image, s.infer},
		{"v2_index", "POST", "/v2/repository/index", scopeRead, repositoryLimit, s.index},
		{"v2_load", "POST", "/v2/repository/models/:variant/load", scopeAdmin, variant/3*4 + repositoryLimit, s.load},
		{"v2_unload", "POST", "/v2/repository/models/:variant/unload", scopeAdmin, repositoryLimit, s.unload},
	}
}

func (s *Server) register(routes []route) {
	for _, rt := range routes {
		handler := s.serve(rt)
		s.app.Add(rt.method, rt.path, handler)
		if rt.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, rt.path, handler)
		}
	}
}

// serve wraps a route's handler in what all share: the body's limit, recovery
// from panics, errors answered.
func (s *Server) serve(rt route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		x := exchangeOf(c.Context())
		x.route, x.quiet = rt.name, rt.scope == scopeOpen
		r := &request{Ctx: c, exchange: x, base: s.base}
		r.body.limit = rt.limit
		s.tracer.begin(r, rt)
		err := s.guard(rt, r)
		r.close()
		if err != nil {
			err = s.fail(c, err)
		}
		return err
	}
}

// guard runs a handler, and turns a panic into an error with its stack.
func (s *Server) guard(rt route, r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("server: panic in %s: %v\n%s", rt.name, p, debug.Stack())
		}
	}()
	if err := s.knownHost(r); err != nil {
		return err
	}
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	r.caller, err = s.admit(r.Get(fiber.HeaderAuthorization), rt.scope)
	if r.caller != nil {
		r.holder = r.caller.name
	}
	if codeOf(err) == runtime.Overloaded {
		r.body.dropShort()
	}
	if err != nil {
		return err
	}
	if rt.scope == scopeInfer {
		if err := s.notCrowded(r); err != nil {
			return err
		}
	}
	if rt.limit > 0 {
		if err := r.encoded(); err != nil {
			return err
		}
		if err := r.body.check(); err != nil {
			return err
		}
	}
	return rt.handle(r)
}

// encoded refuses a body under a content coding; none is undone here.
func (r *request) encoded() error {
	if coding := r.Get(fiber.HeaderContentEncoding); coding != "" && coding != "identity" {
		return runtime.Errorf(runtime.Unsupported, "send the body without a Content-Encoding")
	}
	return nil
}
