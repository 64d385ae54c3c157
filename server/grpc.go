package server

import (
	"context"
	"fmt"
	"math"
	"net"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress what they send
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"eigenserve/server/inference"
)

// streamsPerConnection bounds the calls that one connection may have under way,
// and so what a client can have this server hold of messages not yet answered.
const streamsPerConnection = 64

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
		grpc.InTapHandle(s.admitCall),
		grpc.UnaryInterceptor(s.guardUnary),
		grpc.ForceServerCodecV2(frugalCodec{}),
		grpc.MaxRecvMsgSize(int(min(s.options.ImageLimit, math.MaxInt32))),
		grpc.MaxConcurrentStreams(streamsPerConnection),
		grpc.ConnectionTimeout(s.options.ReadTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: s.options.IdleTimeout}),
	}
	if s.options.Certificate != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(s.options.Certificate.config("h2"))))
	}
	g := grpc.NewServer(o...)
	inference.RegisterGRPCInferenceServiceServer(g, service{Server: s})
	h := health.NewServer()
	h.SetServingStatus(inference.GRPCInferenceService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(g, h)
	return g, h
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
