package server

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// tracer makes the spans of requests; they go on from the caller's trace where a
// traceparent header names one. Names and attributes are those of OpenTelemetry's
// conventions for HTTP.
type tracer struct{ trace.Tracer }

func newTracer(provider trace.TracerProvider) tracer {
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	return tracer{provider.Tracer("eigenserve/server")}
}

// begin starts the span of a request to a route.
func (t tracer) begin(r *request, rt route) {
	parent := propagation.TraceContext{}.Extract(r.base, carrier{r})
	r.base, r.span = t.Start(parent, rt.method+" "+rt.path, trace.WithSpanKind(trace.SpanKindServer))
	if r.span.IsRecording() {
		r.span.SetAttributes(
			attribute.String("http.request.method", rt.method),
			attribute.String("http.route", rt.path),
			attribute.String("eigenserve.request.id", r.id))
	}
}

// endSpan ends the span, if one was begun, with what was answered.
func (x *exchange) endSpan(status int) {
	if x.span == nil {
		return
	}
	if x.span.IsRecording() {
		x.span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= fiber.StatusInternalServerError {
			x.span.SetStatus(codes.Error, x.fault)
		}
	}
	x.span.End()
}

// answered notes what an inference took: in the metrics, and as spans within that
// of its context. The engine tells how long each stage was, not when it began; the
// spans lay the stages one after the other, in the order in which they run, so that
// they end now.
func (s *Server) answered(ctx context.Context, variant, digest string, t runtime.Timing) {
	s.metrics.stages(t)
	whole := trace.SpanFromContext(ctx)
	if !whole.IsRecording() {
		return
	}
	whole.SetAttributes(attribute.String("eigenserve.variant", variant), attribute.String("eigenserve.digest", digest))
	stages := wire.Stages(t)
	stages[1], stages[2] = stages[2], stages[1] // an image is decoded before weights are rebuilt
	at := time.Now()
	for _, stage := range stages {
		at = at.Add(-stage.Took)
	}
	for _, stage := range stages {
		_, span := s.tracer.Start(ctx, stage.Name, trace.WithTimestamp(at))
		at = at.Add(stage.Took)
		span.End(trace.WithTimestamp(at))
	}
}

// traceID is the trace that a request is part of, "" if none is kept.
func (x *exchange) traceID() string {
	if x.span == nil || !x.span.SpanContext().IsSampled() {
		return ""
	}
	return x.span.SpanContext().TraceID().String()
}

// carrier reads a request's headers as a propagator does.
type carrier struct{ r *request }

func (c carrier) Get(key string) string { return string([]byte(c.r.Ctx.Get(key))) }
func (c carrier) Set(string, string)    {}
func (c carrier) Keys() []string        { return nil }
