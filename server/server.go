// Package server answers HTTP: the routes of the API, the metrics and the page;
// and gRPC: the Open Inference Protocol, which HTTP has, too.
// It turns requests into calls of an Engine and the Engine's answers and errors
// into responses. It holds no models, decodes no images and opens no file that a
// request names: all of that is the engine's.
//
// A new route is a handler in the file of its resource and a row of the table in
// routes.go.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/internal/conns"
	"eigenserve/server/oip"
	"eigenserve/server/web"
	"eigenserve/server/wire"
)

// Engine is what the server needs of the engine. Every method may be called by
// many goroutines at once. Errors are *runtime.Error where their text is meant
// for the caller; the text of any other is logged and never shown.
//
// A model is given as a reference: a name or an alias, "name:version" or
// "name@digest".
type Engine interface {
	oip.Engine

	// Classify answers for one encoded image. image is the engine's to keep.
	Classify(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error)

	// Find lists the variants that a query chooses.
	Find(q runtime.Query) (runtime.Found, error)
	Versions(name string) ([]runtime.VersionInfo, error)
	// AddCheckpoint projects a full checkpoint on a family's basis and adds it.
	AddCheckpoint(ctx context.Context, family, name string, u runtime.Upload) (info runtime.VariantInfo, replaced bool, err error)
	// DeleteVariant removes a name, or one version of it.
	DeleteVariant(ctx context.Context, name string) error

	Aliases() []runtime.Alias
	Alias(name string) (runtime.Alias, error)
	PutAlias(ctx context.Context, name string, targets []runtime.Target) (a runtime.Alias, replaced bool, err error)
	DeleteAlias(ctx context.Context, name string) error

	// SetPinned rebuilds a variant and keeps it in the weight cache, or lets it go.
	SetPinned(ctx context.Context, name string, pinned bool) error

	Families() []runtime.FamilyInfo
	Family(name string) (runtime.FamilyDetail, error)

	Ledger() runtime.Ledger
	Counters() runtime.Counters
}

// Options of a Server. The zero value of each field means its default.
type Options struct {
	Log *slog.Logger // slog.Default()
	// Version is the program's, for callers who ask: "devel".
	Version string

	// Limits of a request's body in bytes, by what it carries.
	ImageLimit      int64 // 32 MiB
	VariantLimit    int64 // 512 MiB
	CheckpointLimit int64 // 4 GiB
	// BodyMemory is how many bytes the bodies of all requests under way may have
	// together; a request over it is told to come back.
	BodyMemory int64 // 8 GiB
	// Connections is how many may be open at once.
	Connections int // 4096

	// ReadTimeout is how long a client may take to send a request's head; a
	// body may take longer, by one second for each 16 KiB that has come.
	ReadTimeout  time.Duration // 30 s
	WriteTimeout time.Duration // 30 s, for one response
	IdleTimeout  time.Duration // 2 min, between two requests of a connection

	// Tracer takes the spans of requests; none are made if nil.
	Tracer trace.TracerProvider
	// AccessLog writes a line to Log for each request.
	AccessLog bool
	// Certificate makes the server speak TLS; plain HTTP if nil.
	Certificate *Certificate
	// Tokens are asked for on all routes but the open ones; anyone may do
	// everything if nil.
	Tokens *auth.Tokens
	// Hosts are names that requests may be for, besides localhost and addresses;
	// any if nil.
	Hosts []string

	// Samples are images to try on the page: a file v/l.png is a sample for
	// the variant v of the label l. None if nil.
	Samples fs.FS
}

const mib = 1 << 20

func (o Options) withDefaults() Options {
	setDefault(&o.Log, slog.Default())
	setDefault(&o.Version, "devel")
	setDefault(&o.ImageLimit, 32*mib)
	setDefault(&o.VariantLimit, 512*mib)
	setDefault(&o.CheckpointLimit, 4096*mib)
	setDefault(&o.BodyMemory, 8192*mib)
	setDefault(&o.Connections, 4096)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	return o
}

// setDefault gives a field a value unless it has one.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server serves one Engine. Make it with New, run it with Listen.
type Server struct {
	engine  Engine
	options Options
	log     *slog.Logger
	app     *fiber.App
	oip     *oip.Service
	grpc    *oip.GRPC
	metrics *metrics
	tracer  tracer
	assets  map[string]web.Asset
	samples *web.Samples
	openAPI []byte // the document that describes the routes

	bodies   *wire.Budget
	inflight inflight
	conns    *conns.Set
	closing  atomic.Bool
	// base ends when the wait for requests under way is given up.
	base context.Context
	stop context.CancelFunc
}

// New makes a server for an engine. It fails when the samples can't be listed.
func New(engine Engine, o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{engine: engine, options: o, log: o.Log, metrics: newMetrics(engine), tracer: newTracer(o.Tracer)}
	s.bodies, s.inflight, s.conns = wire.NewBudget(o.BodyMemory), newInflight(), conns.NewSet(o.Connections, o.Log)
	s.base, s.stop = context.WithCancel(context.Background())
	s.oip = &oip.Service{Engine: engine, Version: o.Version, Observe: s.answered}
	var err error
	if s.samples, err = web.FindSamples(o.Samples); err != nil {
		return nil, fmt.Errorf("server: list samples: %w", err)
	}
	if s.assets, err = web.Assets(); err != nil {
		return nil, fmt.Errorf("server: load the page: %w", err)
	}
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage: true,
		CaseSensitive:         true,
		StrictRouting:         true,
		ErrorHandler:          s.fail,
		ReadTimeout:           o.ReadTimeout,
		WriteTimeout:          o.WriteTimeout,
		IdleTimeout:           o.IdleTimeout,
		ReadBufferSize:        16 << 10,          // of a request's head
		Concurrency:           2 * o.Connections, // we count them: the library's own answer is none of ours
		// Bodies are read by the handlers, each within the limit of its route. The
		// library parses nothing before that and reads at most 8 KiB ahead; a
		// limit of its own would make it wait for more.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		BodyLimit:                    math.MaxInt,
	})
	routes := s.routes()
	if s.openAPI, err = s.document(routes); err != nil {
		return nil, err
	}
	s.register(routes)
	s.grpc = s.newGRPC()
	fast := s.app.Server()
	fast.Handler = s.entry(fast.Handler)
	fast.ErrorHandler = s.unread
	fast.CloseOnShutdown = true
	return s, nil
}

// entry is the first and the last to see every request, also those that no route
// is for: it sets the headers that all responses carry, measures and logs, and
// gives up a connection on which bytes of a body are left, as they would be read
// as the next request.
func (s *Server) entry(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	known := make(map[string]bool)
	for _, m := range s.app.Config().RequestMethods {
		known[m] = true
	}
	return func(ctx *fasthttp.RequestCtx) {
		x := s.begin(ctx)
		b := newBody(ctx, s.options.ReadTimeout, s.bodies)
		x.body = b
		defer b.release()
		switch {
		case framedTwice(&ctx.Request.Header):
			s.refuse(ctx, errFramedTwice)
		case known[string(ctx.Method())]:
			next(ctx)
		default: // Fiber would answer with plain text
			ctx.SetStatusCode(fiber.StatusNotImplemented)
			ctx.SetContentType(fiber.MIMEApplicationJSON)
			ctx.SetBodyString(`{"error":"unknown method"}`)
		}
		if !b.whole() {
			ctx.SetConnectionClose()
			b.linger()
		}
		s.end(ctx, x)
	}
}

// begin is for every request the first, end the last.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := newExchange(ctx)
	setSecurityHeaders(&ctx.Response.Header)
	ctx.Response.Header.Set(headerRequestID, x.id)
	return x
}

func (s *Server) end(ctx *fasthttp.RequestCtx, x *exchange) {
	s.metrics.observe(x.route, ctx.Response.StatusCode(), time.Since(x.began))
	s.logExchange(ctx, x)
	x.endSpan(ctx.Response.StatusCode())
}

// Listen answers on a listener until Shutdown is called, then returns nil, or
// until accepting fails. The listener is closed on return.
func (s *Server) Listen(l net.Listener) error {
	if s.options.Certificate != nil {
		l = tls.NewListener(l, s.options.Certificate.config("http/1.1"))
	}
	tracked, ok := s.conns.Listen(l)
	if !ok {
		return nil
	}
	defer tracked.Close()
	if err := s.app.Listener(tracked); err != nil {
		return fmt.Errorf("server: serve %s: %w", l.Addr(), err)
	}
	return nil
}

// ListenGRPC answers gRPC on a listener until Shutdown is called, then returns nil, or
// until accepting fails. The listener is closed on return.
func (s *Server) ListenGRPC(l net.Listener) error { return s.grpc.Listen(l) }

// newGRPC makes the gRPC side of the server.
func (s *Server) newGRPC() *oip.GRPC {
	o := oip.GRPCOptions{
		Tokens: s.options.Tokens, MessageLimit: s.options.ImageLimit, Bodies: s.bodies, Connections: s.options.Connections,
		ReadTimeout: s.options.ReadTimeout, IdleTimeout: s.options.IdleTimeout,
		Log: s.log, AccessLog: s.options.AccessLog, Tracer: s.tracer, Observe: s.metrics.observe,
	}
	if s.options.Certificate != nil {
		o.TLS = s.options.Certificate.config("h2")
	}
	return oip.NewGRPC(s.oip, o)
}

// Reload reads the files of tokens and certificates again, whether they changed
// or not. What can't be read stays as it was.
func (s *Server) Reload() error {
	var errs []error
	if s.options.Tokens != nil {
		errs = append(errs, s.options.Tokens.Reload())
	}
	if s.options.Certificate != nil {
		errs = append(errs, s.options.Certificate.file.Reload())
	}
	return errors.Join(errs...)
}

// Drain makes the server say that it is not ready; it answers all the same. So
// what sends it requests can look for another before Shutdown.
func (s *Server) Drain() {
	s.closing.Store(true)
	s.grpc.Drain()
}

// Shutdown stops accepting, waits for the requests under way and closes every
// connection. When ctx ends first, what still runs is cancelled and cut off, and
// the error says so. The server can't be used again.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.Drain()
	s.conns.StopAccepting()
	calls := make(chan error, 1)
	go func() { calls <- s.grpc.Shutdown(ctx) }()
	err := errors.Join(s.app.ShutdownWithContext(ctx), <-calls)
	s.stop()
	s.conns.CloseAll()
	if err != nil {
		return fmt.Errorf("server: wait for requests under way: %w", err)
	}
	return nil
}

// contentPolicy lets the page load its own files, show images that it made or
// was given, and call this server: nothing else, nobody else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// setSecurityHeaders sets what every response carries.
func setSecurityHeaders(h *fasthttp.ResponseHeader) {
	h.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
