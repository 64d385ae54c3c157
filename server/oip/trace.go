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

// beginSpan starts the span of a call. It continues the caller's trace if the metadata
// names one. Names and attributes follow OpenTelemetry's conventions for gRPC.
func (g *GRPC) beginSpan(ctx context.Context, method string) (context.Context, trace.Span) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	parent := propagation.TraceContext{}.Extract(ctx, carrier(incoming))
	name := strings.TrimPrefix(method, "/")
	ctx, span := g.options.Tracer.Start(parent, name, trace.WithSpanKind(trace.SpanKindServer))
	if service, method, ok := strings.Cut(name, "/"); ok && span.IsRecording() {
		span.SetAttributes(attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", service), attribute.String("rpc.method", method))
	}
	return ctx, span
}

// endSpan ends the span of a call that was answered with err.
func endSpan(span trace.Span, err error) {
	if span.IsRecording() {
		code := grpcstatus.Code(err)
		span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(code)))
		if httpStatus[code] >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, grpcstatus.Convert(err).Message())
		}
	}
	span.End()
}

// carrier reads the metadata of a call for a propagator.
type carrier metadata.MD

func (c carrier) Get(key string) string { return strings.Join(metadata.MD(c).Get(key), ",") }
func (c carrier) Set(string, string)    {}
func (c carrier) Keys() []string        { return nil }
