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
	// streamsPerConnection bounds the calls that one connection may have under way.
	streamsPerConnection = 64
	// callHead is how long the metadata of a call may be, as the head of a request
	// over HTTP: the library would take 16 MiB.
	callHead = 16 << 10
)

// GRPCOptions are what the protocol needs over gRPC. All have to be set, but where
// something else is said.
type GRPCOptions struct {
	Tokens *auth.Tokens // anyone may do everything if nil
	TLS    *tls.Config  // plain text if nil

	MessageLimit int64        // the longest message, in bytes
	Bodies       *wire.Budget // that messages count in
	Connections  int          // open at once

	ReadTimeout time.Duration // for a message, beyond what its bytes earn
	IdleTimeout time.Duration // between two calls of a connection

	Log       *slog.Logger
	AccessLog bool // a line to Log for each call
	Tracer    trace.Tracer
	// Observe is told of each call that was answered: its route, the status that HTTP
	// would have, and how long it took.
	Observe func(route string, status int, took time.Duration)
}

// GRPC answers the Open Inference Protocol over gRPC. A method that it lacks is
// answered as unimplemented.
type GRPC struct {
	inference.UnimplementedGRPCInferenceServiceServer
	api      *Service
	options  GRPCOptions
	server   *grpc.Server
	health   *health.Server
	draining atomic.Bool
}

// NewGRPC makes the gRPC side of a server: the protocol's service, and the health
// service that orchestrators ask.
func NewGRPC(api *Service, options GRPCOptions) *GRPC {
	s := &GRPC{api: api, options: options, health: health.NewServer()}
	o := []grpc.ServerOption{
		grpc.InTapHandle(withGiveUp),
		grpc.UnknownServiceHandler(s.noMethod),
		grpc.ForceServerCodecV2(frugalCodec{}),
		grpc.MaxHeaderListSize(callHead),
		grpc.MaxConcurrentStreams(streamsPerConnection),
		grpc.ConnectionTimeout(options.ReadTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: options.IdleTimeout}),
	}
	if options.TLS != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(options.TLS)))
	}
	s.server = grpc.NewServer(o...)
	s.server.RegisterService(s.guarded(inference.GRPCInferenceService_ServiceDesc), s)
	s.health.SetServingStatus(inference.GRPCInferenceService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	s.server.RegisterService(s.guarded(grpc_health_v1.Health_ServiceDesc), s.health)
	return s
}

// guarded is a service all of whose calls go through guardCall. An interceptor
// would see a call only when its message is whole.
func (s *GRPC) guarded(d grpc.ServiceDesc) *grpc.ServiceDesc {
	d.Methods, d.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		d.Methods[i].Handler = s.guardMethod("/"+d.ServiceName+"/"+m.MethodName, m.Handler)
	}
	for i, m := range d.Streams {
		d.Streams[i].Handler = s.guardStream("/"+d.ServiceName+"/"+m.StreamName, m.Handler)
	}
	return &d
}

// Listen answers on a listener until Shutdown is called, then returns nil, or until
// accepting fails. The listener is closed on return.
func (s *GRPC) Listen(l net.Listener) error {
	defer l.Close()
	if err := s.server.Serve(netutil.LimitListener(l, s.options.Connections)); err != nil && err != grpc.ErrServerStopped {
		return fmt.Errorf("server: serve gRPC at %s: %w", l.Addr(), err)
	}
	return nil
}

// Drain makes it say that it is not ready; it answers all the same.
func (s *GRPC) Drain() {
	s.draining.Store(true)
	s.health.Shutdown()
}

// Shutdown waits for the calls under way until ctx ends; then it cuts them off.
func (s *GRPC) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.server.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.server.Stop()
		<-done
		return ctx.Err()
	}
}
