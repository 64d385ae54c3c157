package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip/inference"
)

// dial makes a server listen for gRPC and connects to it, until the test ends.
func dial(t *testing.T, s *running) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenGRPC(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// imageMessage returns a request for the logits of one image.
func imageMessage() *inference.ModelInferRequest {
	return &inference.ModelInferRequest{ModelName: "sans-lao", Inputs: []*inference.ModelInferRequest_InferInputTensor{
		{Name: "image", Datatype: "BYTES", Shape: []int64{1}, Contents: &inference.InferTensorContents{BytesContents: [][]byte{[]byte("PNG")}}}}}
}

// Both protocols of a server share its engine, its metrics and its readiness.
func TestGRPCIsPartOfTheServer(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{})
	conn := dial(t, s)
	if _, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), imageMessage()); err != nil || len(f.Asked) != 1 {
		t.Errorf("%d inferences reached the engine: %v", len(f.Asked), err)
	}
	text := s.Do(t, "GET", "/metrics", "").Body
	for _, count := range []string{`http_request_duration_seconds_count{route="grpc_ModelInfer",status="200"} 1`, `inference_duration_seconds_count{stage="compute"} 1`} {
		if !strings.Contains(text, "eigenserve_"+count) {
			t.Errorf("the metrics lack %s", count)
		}
	}
	s.Drain()
	r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || r.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("while draining: %v, %v", r, err)
	}
	if s.BodyBytes() != 0 {
		t.Errorf("%d bytes are still counted", s.BodyBytes())
	}
}

func TestTokenRateLimitOverGRPC(t *testing.T) {
	c := inference.NewGRPCInferenceServiceClient(dial(t, start(t, servertest.NewEngine(), server.Options{Tokens: servertest.Tokens(t, `slow infer "*" 0.001`)})))
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+servertest.Secret("slow"))
	for i, want := range []bool{false, true, true} {
		_, err := c.ModelInfer(ctx, &inference.ModelInferRequest{ModelName: "music-1"})
		if refused := grpcstatus.Code(err) == grpccodes.ResourceExhausted; refused != want {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// A call over gRPC has the same spans as a request over HTTP, and continues the trace that
// its metadata names.
func TestCallIsTraced(t *testing.T) {
	spans, f := tracetest.NewSpanRecorder(), servertest.NewEngine()
	c := inference.NewGRPCInferenceServiceClient(dial(t, start(t, f, server.Options{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))})))
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	q := imageMessage()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
	if _, err := c.ModelInfer(ctx, q); err != nil {
		t.Fatal(err)
	}
	f.Err = runtime.Errorf(runtime.Damaged, "digest differs")
	if _, err := c.ModelInfer(ctx, q); err == nil {
		t.Fatal("no error")
	}
	f.Err = runtime.Errorf(runtime.NotFound, "no variant")
	if _, err := c.ModelInfer(ctx, q); err == nil {
		t.Fatal("no error")
	}
	ended := spans.Ended()
	names := []string{"queue", "preprocess", "rebuild", "compute"}
	const call = "inference.GRPCInferenceService/ModelInfer"
	names = append(names, call, call, call)
	if len(ended) != len(names) {
		t.Fatalf("%d spans", len(ended))
	}
	for i, span := range ended {
		if span.Name() != names[i] || span.SpanContext().TraceID().String() != traceID {
			t.Errorf("span %d is %q of the trace %s", i, span.Name(), span.SpanContext().TraceID())
		}
	}
	for i, want := range []struct {
		code   codes.Code
		status string
	}{{codes.Unset, "0"}, {codes.Error, "13"}, {codes.Unset, "5"}} {
		span := ended[4+i]
		has := attribute.NewSet(span.Attributes()...)
		if v, _ := has.Value("rpc.grpc.status_code"); v.String() != want.status || span.Status().Code != want.code || span.Parent().SpanID().String() != "b7ad6b7169203331" {
			t.Errorf("call %d: status %s, %+v, parent %s", i, v.String(), span.Status(), span.Parent().SpanID())
		}
	}
	has := attribute.NewSet(ended[4].Attributes()...)
	if v, _ := has.Value("rpc.method"); v.AsString() != "ModelInfer" {
		t.Errorf("attributes %v", ended[4].Attributes())
	}
}
