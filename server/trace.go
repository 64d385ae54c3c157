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

// tracer makes the spans of requests. They continue the caller's trace if a traceparent
// header names one. Names and attributes follow OpenTelemetry's conventions for HTTP.
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

// endSpan ends the span, if there is one, with the status of the answer.
func (rec *record) endSpan(status int) {
	if rec.span == nil {
		return
	}
	if rec.span.IsRecording() {
		rec.span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= fiber.StatusInternalServerError {
			rec.span.SetStatus(codes.Error, rec.fault)
		}
	}
	rec.span.End()
}

// traceID returns the trace that a request is part of, "" if it is not sampled.
func (rec *record) traceID() string {
	if rec.span == nil || !rec.span.SpanContext().IsSampled() {
		return ""
	}
	return rec.span.SpanContext().TraceID().String()
}

// observeInference records how long the stages of an inference took, in the metrics and
// as spans within the span of ctx. The engine says how long each stage took, not when it
// began: the spans follow one another in the order in which the stages run, and end now.
func (s *Server) observeInference(ctx context.Context, variant, digest string, t runtime.Timing) {
	s.metrics.observeStages(t)
	whole := trace.SpanFromContext(ctx)
	if !whole.IsRecording() {
		return
	}
	whole.SetAttributes(attribute.String("eigenserve.variant", variant), attribute.String("eigenserve.digest", digest))
	stages := wire.Stages(t)
	stages[1], stages[2] = stages[2], stages[1] // images are decoded before weights are rebuilt
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

// carrier reads the headers of a request for a propagator.
type carrier struct{ r *request }

func (c carrier) Get(key string) string { return string([]byte(c.r.Ctx.Get(key))) }
func (c carrier) Set(string, string)    {}
func (c carrier) Keys() []string        { return nil }
