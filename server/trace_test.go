package server

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/metadata"

	"eigenserve/runtime"
)

// traced makes a server whose spans are kept, as they end.
func traced(t *testing.T) (*running, *fake, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	f := newFake()
	return start(t, f, Options{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))}), f, spans
}

func TestInferenceIsTraced(t *testing.T) {
	s, _, spans := traced(t)
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	s.do(t, "POST", "/v1/models/music-1/classify", "image", "traceparent", "00-"+traceID+"-b7ad6b7169203331-01", "X-Request-Id", "mine")
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
	f.err = runtime.Errorf(runtime.Damaged, "digest differs")
	s.do(t, "GET", "/v1/models/music-1", "")
	f.err = runtime.Errorf(runtime.NotFound, "no variant")
	s.do(t, "GET", "/v1/models/music-1", "")
	s.do(t, "GET", "/none", "")
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Status().Code != codes.Error || ended[0].Status().Description != "digest differs" || ended[1].Status().Code != codes.Unset {
		t.Errorf("spans: %+v", ended)
	}
}

// A call over gRPC has the spans that a request over HTTP has, and goes on from
// the trace that its metadata names.
func TestCallIsTraced(t *testing.T) {
	spans, f := tracetest.NewSpanRecorder(), newFake()
	c := protocol(t, f, Options{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))})
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	q := pixelsMessage()
	q.RawInputContents = [][]byte{[]byte(floats(1, 2, 3, 4))}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
	if _, err := c.ModelInfer(ctx, q); err != nil {
		t.Fatal(err)
	}
	f.err = runtime.Errorf(runtime.Damaged, "digest differs")
	if _, err := c.ModelInfer(ctx, q); err == nil {
		t.Fatal("no error")
	}
	f.err = runtime.Errorf(runtime.NotFound, "no variant")
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
