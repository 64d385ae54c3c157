// Package server answers HTTP, with the routes of the API, the metrics and the page, and
// gRPC, with the Open Inference Protocol. It turns requests into calls of an Engine, and
// the Engine's answers and errors into responses. It holds no models, decodes no images
// and opens no file that a request names: all of that is the engine's.
//
// A new route is a handler in the file of its resource and a row of the table in
// routes.go.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"eigenserve/server/internal/conns"
	"eigenserve/server/oip"
	"eigenserve/server/web"
	"eigenserve/server/wire"
)

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
	assets  map[string]web.Asset // the page's files by name
	samples *web.Samples
	openAPI []byte // the document that describes the routes

	bodies   *wire.Budget
	inflight *inflight
	conns    *conns.Set
	draining atomic.Bool
	// base ends when Shutdown stops waiting for the requests under way.
	base context.Context
	stop context.CancelFunc
}

// New returns a server for an engine. It fails if the samples can't be listed.
func New(engine Engine, o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{
		engine: engine, options: o, log: o.Log, metrics: newMetrics(engine), tracer: newTracer(o.Tracer),
		bodies: wire.NewBudget(o.BodyMemory), inflight: newInflight(), conns: conns.NewSet(o.Connections, o.Log),
	}
	s.base, s.stop = context.WithCancel(context.Background())
	s.oip = &oip.Service{Engine: engine, Version: o.Version, Observe: s.observeInference}
	s.grpc = s.newGRPC()
	var err error
	if s.samples, err = web.FindSamples(o.Samples); err != nil {
		return nil, fmt.Errorf("server: list samples: %w", err)
	}
	if s.assets, err = web.Assets(); err != nil {
		return nil, fmt.Errorf("server: load the page: %w", err)
	}
	if s.openAPI, err = s.document(s.routes()); err != nil {
		return nil, err
	}
	s.app = s.newApp()
	s.register(s.routes())
	fast := s.app.Server()
	fast.Handler = s.entry(fast.Handler)
	fast.ErrorHandler = s.answerMalformed
	fast.CloseOnShutdown = true
	return s, nil
}

func (s *Server) newApp() *fiber.App {
	o := s.options
	return fiber.New(fiber.Config{
		DisableStartupMessage: true,
		CaseSensitive:         true,
		StrictRouting:         true,
		ErrorHandler:          s.fail,
		JSONEncoder:           wire.MarshalJSON,
		ReadTimeout:           o.ReadTimeout,
		WriteTimeout:          o.WriteTimeout,
		IdleTimeout:           o.IdleTimeout,
		ReadBufferSize:        16 << 10,          // for the head of a request
		Concurrency:           2 * o.Connections, // conns limits them, with an answer of ours
		// Handlers read the bodies, each within the limit of its route. The library
		// parses nothing before that and reads at most 8 KiB ahead; with a limit of
		// its own it would wait for more.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		BodyLimit:                    math.MaxInt,
	})
}

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

// Listen serves HTTP on a listener. It returns nil after Shutdown is called, or an error
// when accepting fails. The listener is closed on return.
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

// ListenGRPC serves gRPC on a listener, as Listen does HTTP.
func (s *Server) ListenGRPC(l net.Listener) error { return s.grpc.Listen(l) }

// Reload reads the files of tokens and certificates again, whether they have changed or
// not. A file that can't be read leaves in place what was read before.
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

// Drain makes the server report that it is not ready, although it continues to answer:
// load balancers can look for another one before Shutdown.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.grpc.Drain()
}

// Shutdown stops accepting, waits for the requests under way and closes every
// connection. If ctx ends first, it cancels the requests that still run, cuts off their
// connections and returns an error. The server can't be used again.
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
