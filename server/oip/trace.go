package oip

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
)

// beginCall starts the span of a gRPC call, as begin does for HTTP. Names and
// attributes are those of OpenTelemetry's conventions for gRPC.
func (s *GRPC) beginCall(ctx context.Context, method string) (context.Context, trace.Span) {
	head, _ := metadata.FromIncomingContext(ctx)
	parent := propagation.TraceContext{}.Extract(ctx, metadataCarrier(head))
	name := strings.TrimPrefix(method, "/")
	ctx, span := s.options.Tracer.Start(parent, name, trace.WithSpanKind(trace.SpanKindServer))
	if service, method, ok := strings.Cut(name, "/"); ok && span.IsRecording() {
		span.SetAttributes(attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service), attribute.String("rpc.method", method))
	}
	return ctx, span
}

// endCall ends the span of a call with what was answered.
func endCall(span trace.Span, err error) {
	if span.IsRecording() {
		code := grpcstatus.Code(err)
		span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(code)))
		if httpStatus[code] >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, grpcstatus.Convert(err).Message())
		}
	}
	span.End()
}

// metadataCarrier reads a call's metadata as a propagator does.
type metadataCarrier metadata.MD

func (c metadataCarrier) Get(key string) string { return strings.Join(metadata.MD(c).Get(key), ",") }
func (c metadataCarrier) Set(string, string)    {}
func (c metadataCarrier) Keys() []string        { return nil }
