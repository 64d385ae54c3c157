package oip

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress what they send
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"eigenserve/server/auth"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

const (
	// maxStreams is how many calls a connection may have under way.
	maxStreams = 64
	// maxMetadata is how long the metadata of a call may be in bytes, as the head of a
	// request over HTTP. The library would accept 16 MiB.
	maxMetadata = 16 << 10
)

// GRPCOptions are the options of the gRPC server. Those without a comment about nil must
// be set.
type GRPCOptions struct {
	Tokens *auth.Tokens // nil: anyone may do everything
	TLS    *tls.Config  // nil: plain text

	MessageLimit int64        // the longest message in bytes
	Bodies       *wire.Budget // counts the messages
	Connections  int          // how many may be open at once

	ReadTimeout time.Duration // for a message; longer by one second for each 16 KiB that has arrived
	IdleTimeout time.Duration // between two calls of a connection

	Log       *slog.Logger
	AccessLog bool // write a line to Log for each call
	Tracer    trace.Tracer
	// Observe is called with each call that was answered: its route, the HTTP status
	// that corresponds to its code, and how long it took.
	Observe func(route string, status int, took time.Duration)
}

// GRPC is the gRPC server: the protocol's service, and the health service that
// orchestrators ask.
type GRPC struct {
	inference.UnimplementedGRPCInferenceServiceServer
	api      *Service
	options  GRPCOptions
	server   *grpc.Server
	health   *health.Server
	draining atomic.Bool
}

// NewGRPC returns a gRPC server for a service.
func NewGRPC(api *Service, options GRPCOptions) *GRPC {
	g := &GRPC{api: api, options: options, health: health.NewServer()}
	o := []grpc.ServerOption{
		grpc.InTapHandle(withCancel),
		grpc.UnknownServiceHandler(g.unknownMethod),
		grpc.ForceServerCodecV2(boundedCodec{}),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(options.ReadTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: options.IdleTimeout}),
	}
	if options.TLS != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(options.TLS)))
	}
	g.server = grpc.NewServer(o...)
	g.server.RegisterService(g.wrap(inference.GRPCInferenceService_ServiceDesc), g)
	g.health.SetServingStatus(inference.GRPCInferenceService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	g.server.RegisterService(g.wrap(grpc_health_v1.Health_ServiceDesc), g.health)
	return g
}

// wrap returns a service all of whose calls go through serveCall. An interceptor would see
// a call only after its message has arrived.
func (g *GRPC) wrap(d grpc.ServiceDesc) *grpc.ServiceDesc {
	d.Methods, d.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		d.Methods[i].Handler = g.unaryHandler("/"+d.ServiceName+"/"+m.MethodName, m.Handler)
	}
	for i, m := range d.Streams {
		d.Streams[i].Handler = g.streamHandler("/"+d.ServiceName+"/"+m.StreamName, m.Handler)
	}
	return &d
}

// Listen serves gRPC on a listener. It returns nil after Shutdown is called, or an error
// when accepting fails. The listener is closed on return.
func (g *GRPC) Listen(l net.Listener) error {
	defer l.Close()
	if err := g.server.Serve(netutil.LimitListener(l, g.options.Connections)); err != nil && err != grpc.ErrServerStopped {
		return fmt.Errorf("server: serve gRPC at %s: %w", l.Addr(), err)
	}
	return nil
}

// Drain makes the server report that it is not ready, although it continues to answer.
func (g *GRPC) Drain() {
	g.draining.Store(true)
	g.health.Shutdown()
}

// Shutdown waits for the calls under way. If ctx ends first, it cuts them off and returns
// the error of ctx.
func (g *GRPC) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.server.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.server.Stop()
		<-done
		return ctx.Err()
	}
}
