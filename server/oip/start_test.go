package oip_test

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

// start runs a server with all routes until the test ends.
func start(t *testing.T, engine server.Engine) *servertest.Client {
	t.Helper()
	s, err := server.New(engine, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Start(t, s)
}

// running is a gRPC server that listens.
type running struct {
	*oip.GRPC
	log    *servertest.Log
	bodies *wire.Budget

	mu    sync.Mutex // guards calls
	calls map[call]int
}

// call is how a call was measured.
type call struct {
	route  string
	status int
}

func (r *running) observe(route string, status int, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[call{route, status}]++
}

// observed returns how many calls of a route were measured with a status.
func (r *running) observed(route string, status int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[call{route, status}]
}

// dial starts a gRPC server and connects to it, until the test ends. Options that are not
// set have the defaults of package server.
func dial(t *testing.T, engine oip.Engine, o oip.GRPCOptions) (*running, *grpc.ClientConn) {
	t.Helper()
	r := &running{log: &servertest.Log{}, bodies: cmp.Or(o.Bodies, wire.NewBudget(8<<30)), calls: make(map[call]int)}
	o.Log, o.Bodies, o.Observe = slog.New(slog.NewTextHandler(r.log, nil)), r.bodies, r.observe
	o.MessageLimit = cmp.Or(o.MessageLimit, 32<<20)
	o.Connections = cmp.Or(o.Connections, 4096)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, 30*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 2*time.Minute)
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	r.GRPC = oip.NewGRPC(&oip.Service{Engine: engine, Version: "v1", Observe: func(context.Context, string, string, runtime.Timing) {}}, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Listen(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.Shutdown(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r, conn
}

// protocol starts a gRPC server and returns a client of the protocol's service.
func protocol(t *testing.T, engine oip.Engine, o oip.GRPCOptions) inference.GRPCInferenceServiceClient {
	t.Helper()
	_, conn := dial(t, engine, o)
	return inference.NewGRPCInferenceServiceClient(conn)
}
