package serving

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/version"
)

// flushTime is how long sending the last spans may take on shutdown.
const flushTime = 5 * time.Second

// tracingEnabled reports whether --otlp-endpoint or OpenTelemetry's own variables
// name a collector.
func tracingEnabled(endpoint string) bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	return endpoint != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// tracesURL returns the URL that --otlp-endpoint stands for, with the default path.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", cli.Usagef("--otlp-endpoint %q: give an address such as http://127.0.0.1:4318", endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// openTracing returns a provider that sends spans by OTLP over HTTP, or nil if there
// is no collector to send to. Sampling, headers, certificates and the resource's
// attributes follow the OTEL_ variables. stop sends the spans that are left.
func openTracing(ctx context.Context, endpoint string, log *slog.Logger) (provider trace.TracerProvider, stop func(), err error) {
	if !tracingEnabled(endpoint) {
		return nil, func() {}, nil
	}
	var options []otlptracehttp.Option
	if endpoint != "" {
		u, err := tracesURL(endpoint)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, otlptracehttp.WithEndpointURL(u))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "eigenserve"), attribute.String("service.version", version.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans were lost", "error", err) }))
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return p, func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			log.Warn("the last spans were lost", "error", err)
		}
	}, nil
}
