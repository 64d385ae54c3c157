package oip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/server/auth"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

// methods is the table of all methods, with the scope that each needs. A method that is
// not in it is refused.
var methods = map[string]auth.Scope{
	inference.GRPCInferenceService_ModelConfig_FullMethodName:                  auth.Read,
	inference.GRPCInferenceService_SystemSharedMemoryStatus_FullMethodName:     auth.Read,
	inference.GRPCInferenceService_SystemSharedMemoryUnregister_FullMethodName: auth.Read,
	inference.GRPCInferenceService_CudaSharedMemoryStatus_FullMethodName:       auth.Read,
	inference.GRPCInferenceService_CudaSharedMemoryUnregister_FullMethodName:   auth.Read,
	inference.GRPCInferenceService_ServerLive_FullMethodName:                   auth.Open,
	inference.GRPCInferenceService_ServerReady_FullMethodName:                  auth.Open,
	inference.GRPCInferenceService_ServerMetadata_FullMethodName:               auth.Read,
	inference.GRPCInferenceService_ModelReady_FullMethodName:                   auth.Read,
	inference.GRPCInferenceService_ModelMetadata_FullMethodName:                auth.Read,
	inference.GRPCInferenceService_ModelStatistics_FullMethodName:              auth.Read,
	inference.GRPCInferenceService_ModelInfer_FullMethodName:                   auth.Infer,
	inference.GRPCInferenceService_RepositoryIndex_FullMethodName:              auth.Read,
	inference.GRPCInferenceService_RepositoryModelLoad_FullMethodName:          auth.Admin,
	inference.GRPCInferenceService_RepositoryModelUnload_FullMethodName:        auth.Admin,
	"/grpc.health.v1.Health/Check":                                             auth.Open,
	"/grpc.health.v1.Health/List":                                              auth.Open,
	"/grpc.health.v1.Health/Watch":                                             auth.Open,
}

// routeOf returns the name under which a method is measured: grpc_ModelInfer, or none for
// an unknown method.
func routeOf(method string) string {
	if _, known := methods[method]; !known {
		return "none"
	}
	return "grpc_" + method[strings.LastIndexByte(method, '/')+1:]
}

// callerKey is the key of a call's caller in its context.
type callerKey struct{}

func callerOf(ctx context.Context) *auth.Caller {
	c, _ := ctx.Value(callerKey{}).(*auth.Caller)
	return c
}

// serveCall calls the handler of a call in what all calls share: its span, its caller's
// rights, the account of messages, recovery from panics, the answers to errors, metrics
// and log. It begins before any of the message is read.
func (g *GRPC) serveCall(ctx context.Context, method string, handle func(context.Context, *message) error) (err error) {
	began := time.Now()
	ctx, span := g.beginSpan(ctx, method)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("server: panic in %s: %v\n%s", method, p, debug.Stack())
		}
		if err != nil {
			err = g.callError(ctx, method, err)
		}
		g.observe(ctx, method, began, err)
		endSpan(span, err)
	}()
	if ctx, err = g.admit(ctx, method); err != nil {
		return err
	}
	m, err := g.newMessage(ctx, method)
	if err != nil {
		return err
	}
	defer m.memory.Release()
	return handle(ctx, m)
}

// unaryHandler returns the handler of a method with one message and one answer.
func (g *GRPC) unaryHandler(method string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (answer any, err error) {
		err = g.serveCall(ctx, method, func(ctx context.Context, m *message) (err error) {
			answer, err = handle(service, ctx, func(q any) error { return m.decode(ctx, q) }, nil)
			return err
		})
		return answer, err
	}
}

// streamHandler returns the handler of a method with one message and many answers.
func (g *GRPC) streamHandler(method string, handle grpc.StreamHandler) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		return g.serveCall(stream.Context(), method, func(ctx context.Context, m *message) error {
			return handle(service, messageStream{stream, ctx, m})
		})
	}
}

// messageStream is the stream of a call whose message is read by decode.
type messageStream struct {
	grpc.ServerStream
	ctx     context.Context
	message *message
}

func (s messageStream) Context() context.Context { return s.ctx }
func (s messageStream) RecvMsg(q any) error      { return s.message.decode(s.ctx, q) }

// unknownMethod answers a call of a method that does not exist.
func (g *GRPC) unknownMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	err := errNoMethod(method)
	g.observe(stream.Context(), method, time.Now(), err)
	return err
}

// admit returns ctx with the caller in it, and an error if the caller may not call the
// method.
func (g *GRPC) admit(ctx context.Context, method string) (context.Context, error) {
	need, known := methods[method]
	if !known {
		return ctx, errNoMethod(method)
	}
	caller, err := g.options.Tokens.Admit(strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ","), need)
	return context.WithValue(ctx, callerKey{}, caller), err
}

// lists says where the names of a kind are listed.
var lists = map[string]string{"model": "RepositoryIndex lists them"}

// callError returns the error that the caller is shown. Internal errors are logged, and
// their text is not shown.
func (g *GRPC) callError(ctx context.Context, method string, err error) error {
	var denied *auth.Denied
	known, answer, ok := wire.Lookup(err)
	switch {
	case errors.As(err, &denied) && denied.Status == http.StatusUnauthorized:
		return grpcstatus.Error(codes.Unauthenticated, denied.Text)
	case errors.As(err, &denied):
		return grpcstatus.Error(codes.PermissionDenied, denied.Text)
	case ok:
		if answer.Log {
			g.logFault(method, err)
		}
		if after := wire.RetryAfter(err); after > 0 {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", fmt.Sprint(after)))
		}
		return grpcstatus.Error(answer.GRPC, known.Text+known.Advice(callerOf(ctx).Sees, lists))
	case errors.Is(err, context.DeadlineExceeded):
		return grpcstatus.Error(codes.DeadlineExceeded, "the call's deadline has passed")
	case errors.Is(err, context.Canceled):
		return grpcstatus.Error(codes.Canceled, "the call was canceled")
	}
	if st, ok := grpcstatus.FromError(err); ok {
		return st.Err()
	}
	g.logFault(method, err)
	return grpcstatus.Error(codes.Internal, "internal error")
}

func (g *GRPC) logFault(method string, err error) {
	g.options.Log.Error("call failed", "method", method, "error", err.Error())
}

// httpStatus is the status that each code is measured as: the metrics have one label for
// both protocols.
var httpStatus = map[codes.Code]int{
	codes.OK: http.StatusOK, codes.Internal: http.StatusInternalServerError, codes.InvalidArgument: http.StatusBadRequest,
	codes.NotFound: http.StatusNotFound, codes.FailedPrecondition: http.StatusConflict, codes.Unavailable: http.StatusServiceUnavailable,
	codes.ResourceExhausted: http.StatusTooManyRequests, codes.DeadlineExceeded: http.StatusGatewayTimeout,
	codes.Unauthenticated: http.StatusUnauthorized, codes.PermissionDenied: http.StatusForbidden,
	codes.Canceled: wire.StatusClientClosed, codes.Unimplemented: http.StatusNotImplemented,
}

// observe measures and logs a call that was answered with err.
func (g *GRPC) observe(ctx context.Context, method string, began time.Time, err error) {
	g.options.Observe(routeOf(method), httpStatus[grpcstatus.Code(err)], time.Since(began))
	g.logCall(ctx, method, began, err)
}

// logCall writes the access log line of a call that was answered with err. Its values may
// hold anything; log/slog's handlers quote them.
func (g *GRPC) logCall(ctx context.Context, method string, began time.Time, err error) {
	level := slog.LevelInfo
	if err == nil && methods[method] == auth.Open {
		level = slog.LevelDebug
	}
	if !g.options.AccessLog || !g.options.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("route", routeOf(method)), slog.String("code", grpcstatus.Code(err).String()),
		slog.Float64("ms", float64(time.Since(began).Microseconds())/1000)}
	if p, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("remote", p.Addr.String()))
	}
	if caller := callerOf(ctx); caller != nil {
		attrs = append(attrs, slog.String("token", caller.Name()))
	}
	if id := trace.SpanContextFromContext(ctx); id.IsSampled() {
		attrs = append(attrs, slog.String("trace", id.TraceID().String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", grpcstatus.Convert(err).Message()))
	}
	g.options.Log.LogAttrs(ctx, level, "call", attrs...)
}
