package server_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// traced starts a server whose spans are recorded when they end.
func traced(t *testing.T) (*running, *servertest.Engine, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	f := servertest.NewEngine()
	return start(t, f, server.Options{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))}), f, spans
}

func TestInferenceIsTraced(t *testing.T) {
	s, _, spans := traced(t)
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	s.Do(t, "POST", "/v1/models/music-1/classify", "image", "traceparent", "00-"+traceID+"-b7ad6b7169203331-01", "X-Request-Id", "mine")
	ended := spans.Ended()
	names := []string{"queue", "preprocess", "rebuild", "compute", "POST /v1/models/:variant/classify"}
	took := []time.Duration{10 * time.Microsecond, 0, 1500 * time.Microsecond, 2 * time.Millisecond}
	if len(ended) != len(names) {
		t.Fatalf("%d spans", len(ended))
	}
	root := ended[len(ended)-1]
	for i, span := range ended {
		if span.Name() != names[i] || span.SpanContext().TraceID().String() != traceID {
			t.Errorf("span %d is %q of the trace %s", i, span.Name(), span.SpanContext().TraceID())
		}
		if i == len(took) {
			continue
		}
		if got := span.EndTime().Sub(span.StartTime()); got != took[i] || span.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s took %v, want %v, and is a child of %s", span.Name(), got, took[i], span.Parent().SpanID())
		}
		if i > 0 && !span.StartTime().Equal(ended[i-1].EndTime()) {
			t.Errorf("%s does not begin where %s ends", span.Name(), ended[i-1].Name())
		}
	}
	if got := root.Parent().SpanID().String(); got != "b7ad6b7169203331" {
		t.Errorf("the parent is %s", got)
	}
	has := attribute.NewSet(root.Attributes()...)
	for key, want := range map[string]string{"eigenserve.variant": "music-1", "eigenserve.request.id": "mine", "http.route": "/v1/models/:variant/classify", "http.response.status_code": "200"} {
		if v, _ := has.Value(attribute.Key(key)); v.String() != want {
			t.Errorf("%s is %q, want %q", key, v.String(), want)
		}
	}
}

func TestFaultIsTraced(t *testing.T) {
	s, f, spans := traced(t)
	f.Err = runtime.Errorf(runtime.Damaged, "digest differs")
	s.Do(t, "GET", "/v1/models/music-1", "")
	f.Err = runtime.Errorf(runtime.NotFound, "no variant")
	s.Do(t, "GET", "/v1/models/music-1", "")
	s.Do(t, "GET", "/none", "")
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Status().Code != codes.Error || ended[0].Status().Description != "digest differs" || ended[1].Status().Code != codes.Unset {
		t.Errorf("spans: %+v", ended)
	}
}
