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

// methods is the table of all gRPC methods, with the scope that each needs. One
// that is not in it is refused.
var methods = map[string]auth.Scope{
	inference.GRPCInferenceService_ServerLive_FullMethodName:            auth.Open,
	inference.GRPCInferenceService_ServerReady_FullMethodName:           auth.Open,
	inference.GRPCInferenceService_ServerMetadata_FullMethodName:        auth.Read,
	inference.GRPCInferenceService_ModelReady_FullMethodName:            auth.Read,
	inference.GRPCInferenceService_ModelMetadata_FullMethodName:         auth.Read,
	inference.GRPCInferenceService_ModelStatistics_FullMethodName:       auth.Read,
	inference.GRPCInferenceService_ModelInfer_FullMethodName:            auth.Infer,
	inference.GRPCInferenceService_RepositoryIndex_FullMethodName:       auth.Read,
	inference.GRPCInferenceService_RepositoryModelLoad_FullMethodName:   auth.Admin,
	inference.GRPCInferenceService_RepositoryModelUnload_FullMethodName: auth.Admin,
	"/grpc.health.v1.Health/Check":                                      auth.Open,
	"/grpc.health.v1.Health/List":                                       auth.Open,
	"/grpc.health.v1.Health/Watch":                                      auth.Open,
}

// callerKey is where a call's context has its token.
type callerKey struct{}

func callerOf(ctx context.Context) *auth.Caller {
	t, _ := ctx.Value(callerKey{}).(*auth.Caller)
	return t
}

// guardCall wraps a call in what all share, as serve and guard do for HTTP: who may
// call, the account of bodies, recovery from panics, errors answered, time measured, a
// span. It begins before any of the message is read.
func (s *GRPC) guardCall(ctx context.Context, method string, handle func(context.Context, *message) error) (err error) {
	began := time.Now()
	ctx, span := s.beginCall(ctx, method)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("server: panic in %s: %v\n%s", method, p, debug.Stack())
		}
		if err != nil {
			err = s.failCall(ctx, method, err)
		}
		s.noteCall(ctx, method, began, err)
		endCall(span, err)
	}()
	if ctx, err = s.admitCall(ctx, method); err != nil {
		return err
	}
	m, err := s.newMessage(ctx, method)
	if err != nil {
		return err
	}
	defer m.memory.Release()
	return handle(ctx, m)
}

// guardMethod guards a method of one message and one answer.
func (s *GRPC) guardMethod(method string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (answer any, err error) {
		err = s.guardCall(ctx, method, func(ctx context.Context, m *message) (err error) {
			answer, err = handle(service, ctx, func(q any) error { return m.decode(ctx, q) }, nil)
			return err
		})
		return answer, err
	}
}

// guardStream guards a method of one message and many answers.
func (s *GRPC) guardStream(method string, handle grpc.StreamHandler) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		return s.guardCall(stream.Context(), method, func(ctx context.Context, m *message) error {
			return handle(service, guardedStream{stream, ctx, m})
		})
	}
}

// guardedStream is a call as its handler sees it.
type guardedStream struct {
	grpc.ServerStream
	ctx     context.Context
	message *message
}

func (g guardedStream) Context() context.Context { return g.ctx }
func (g guardedStream) RecvMsg(q any) error      { return g.message.decode(g.ctx, q) }

// noMethod answers a call of a method that there is not.
func (s *GRPC) noMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	s.noteCall(stream.Context(), method, time.Now(), errNoMethod)
	return errNoMethod
}

var errNoMethod = grpcstatus.Error(codes.Unimplemented, "no such method")

// noteCall measures and logs a call that was answered.
func (s *GRPC) noteCall(ctx context.Context, method string, began time.Time, err error) {
	s.options.Observe(routeOf(method), httpStatus[grpcstatus.Code(err)], time.Since(began))
	s.logCall(ctx, method, began, err)
}

// logCall writes the line of a call that was answered, as logExchange does for
// HTTP. Its values may hold anything; log/slog's handlers quote them.
func (s *GRPC) logCall(ctx context.Context, method string, began time.Time, err error) {
	level := slog.LevelInfo
	if err == nil && methods[method] == auth.Open {
		level = slog.LevelDebug
	}
	if !s.options.AccessLog || !s.options.Log.Enabled(ctx, level) {
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
	s.options.Log.LogAttrs(ctx, level, "call", attrs...)
}

// admitCall finds out who calls, and lets in who may.
func (s *GRPC) admitCall(ctx context.Context, method string) (context.Context, error) {
	need, known := methods[method]
	if !known {
		return ctx, errNoMethod
	}
	caller, err := s.options.Tokens.Admit(strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ","), need)
	return context.WithValue(ctx, callerKey{}, caller), err
}

// routeOf is the name under which a method is measured: grpc_ModelInfer, or none for
// one that there is not.
func routeOf(method string) string {
	if _, known := methods[method]; !known {
		return "none"
	}
	return "grpc_" + method[strings.LastIndexByte(method, '/')+1:]
}

// httpStatus is the status that a call's code is measured as: metrics have one
// label for both protocols.
var httpStatus = map[codes.Code]int{
	codes.OK: http.StatusOK, codes.Internal: http.StatusInternalServerError, codes.InvalidArgument: http.StatusBadRequest,
	codes.NotFound: http.StatusNotFound, codes.FailedPrecondition: http.StatusConflict, codes.Unavailable: http.StatusServiceUnavailable,
	codes.ResourceExhausted: http.StatusTooManyRequests, codes.DeadlineExceeded: http.StatusGatewayTimeout,
	codes.Unauthenticated: http.StatusUnauthorized, codes.PermissionDenied: http.StatusForbidden,
	codes.Canceled: wire.StatusClientClosed, codes.Unimplemented: http.StatusNotImplemented,
}

// failCall turns an error into what the caller is told. Faults of ours are logged,
// and their text stays in the log.
func (s *GRPC) failCall(ctx context.Context, method string, err error) error {
	known, answer, ok := wire.Lookup(err)
	var denied *auth.Denied
	switch {
	case errors.As(err, &denied) && denied.Status == http.StatusUnauthorized:
		return grpcstatus.Error(codes.Unauthenticated, denied.Text)
	case errors.As(err, &denied):
		return grpcstatus.Error(codes.PermissionDenied, denied.Text)
	case ok:
		if answer.Log {
			s.options.Log.Error("call failed", "method", method, "error", err.Error())
		}
		if after := wire.RetryAfter(err); after > 0 {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", fmt.Sprint(after)))
		}
		return grpcstatus.Error(answer.GRPC, known.Text)
	case errors.Is(err, context.DeadlineExceeded):
		return grpcstatus.Error(codes.DeadlineExceeded, "the call's deadline has passed")
	case errors.Is(err, context.Canceled):
		return grpcstatus.Error(codes.Canceled, "the call was given up")
	}
	if st, ok := grpcstatus.FromError(err); ok {
		return st.Err()
	}
	s.options.Log.Error("call failed", "method", method, "error", err.Error())
	return grpcstatus.Error(codes.Internal, "internal error")
}
