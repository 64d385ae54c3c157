package server

import (
	"context"
	"fmt"
	"net"
	"slices"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress what they send
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"eigenserve/server/oip/inference"
)

const (
	// streamsPerConnection bounds the calls that one connection may have under way.
	streamsPerConnection = 64
	// callHead is how long the metadata of a call may be, as the head of a request
	// over HTTP: the library would take 16 MiB.
	callHead = 16 << 10
)

// service answers the Open Inference Protocol over gRPC. A method that it lacks
// is answered as unimplemented.
type service struct {
	inference.UnimplementedGRPCInferenceServiceServer
	*Server
}

// newGRPC makes the gRPC side of a server: the protocol's service, and the health
// service that orchestrators ask.
func (s *Server) newGRPC() (*grpc.Server, *health.Server) {
	o := []grpc.ServerOption{
		grpc.InTapHandle(withGiveUp),
		grpc.UnknownServiceHandler(s.noMethod),
		grpc.ForceServerCodecV2(frugalCodec{}),
		grpc.MaxHeaderListSize(callHead),
		grpc.MaxConcurrentStreams(streamsPerConnection),
		grpc.ConnectionTimeout(s.options.ReadTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: s.options.IdleTimeout}),
	}
	if s.options.Certificate != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(s.options.Certificate.config("h2"))))
	}
	g := grpc.NewServer(o...)
	g.RegisterService(s.guarded(inference.GRPCInferenceService_ServiceDesc), service{Server: s})
	h := health.NewServer()
	h.SetServingStatus(inference.GRPCInferenceService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	g.RegisterService(s.guarded(grpc_health_v1.Health_ServiceDesc), h)
	return g, h
}

// guarded is a service all of whose calls go through guardCall. An interceptor
// would see a call only when its message is whole.
func (s *Server) guarded(d grpc.ServiceDesc) *grpc.ServiceDesc {
	d.Methods, d.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		d.Methods[i].Handler = s.guardMethod("/"+d.ServiceName+"/"+m.MethodName, m.Handler)
	}
	for i, m := range d.Streams {
		d.Streams[i].Handler = s.guardStream("/"+d.ServiceName+"/"+m.StreamName, m.Handler)
	}
	return &d
}

// ListenGRPC answers gRPC on a listener until Shutdown is called, then returns
// nil, or until accepting fails. The listener is closed on return.
func (s *Server) ListenGRPC(l net.Listener) error {
	defer l.Close()
	if err := s.grpc.Serve(netutil.LimitListener(l, s.options.Connections)); err != nil && err != grpc.ErrServerStopped {
		return fmt.Errorf("server: serve gRPC at %s: %w", l.Addr(), err)
	}
	return nil
}

// stopGRPC waits for the calls under way until ctx ends; then it cuts them off.
func (s *Server) stopGRPC(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}
