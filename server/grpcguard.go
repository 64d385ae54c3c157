package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	"eigenserve/runtime"
	"eigenserve/server/inference"
)

// methods is the table of all gRPC methods, with the scope that each needs. One
// that is not in it is refused.
var methods = map[string]scope{
	inference.GRPCInferenceService_ServerLive_FullMethodName:            scopeOpen,
	inference.GRPCInferenceService_ServerReady_FullMethodName:           scopeOpen,
	inference.GRPCInferenceService_ServerMetadata_FullMethodName:        scopeRead,
	inference.GRPCInferenceService_ModelReady_FullMethodName:            scopeRead,
	inference.GRPCInferenceService_ModelMetadata_FullMethodName:         scopeRead,
	inference.GRPCInferenceService_ModelStatistics_FullMethodName:       scopeRead,
	inference.GRPCInferenceService_ModelInfer_FullMethodName:            scopeInfer,
	inference.GRPCInferenceService_RepositoryIndex_FullMethodName:       scopeRead,
	inference.GRPCInferenceService_RepositoryModelLoad_FullMethodName:   scopeAdmin,
	inference.GRPCInferenceService_RepositoryModelUnload_FullMethodName: scopeAdmin,
	"/grpc.health.v1.Health/Check":                                      scopeOpen,
	"/grpc.health.v1.Health/List":                                       scopeOpen,
	"/grpc.health.v1.Health/Watch":                                      scopeOpen,
}

// callerKey is where a call's context has its token.
type callerKey struct{}

func callerOf(ctx context.Context) *token {
	t, _ := ctx.Value(callerKey{}).(*token)
	return t
}

// guardUnary wraps a call in what all share, as serve and guard do for HTTP: the
// account of bodies, recovery from panics, errors answered, time measured, a span. Who may
// call was seen before, by admitCall.
func (s *Server) guardUnary(ctx context.Context, q any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	began := time.Now()
	ctx, span := s.tracer.beginCall(ctx, info.FullMethod)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("server: panic in %s: %v\n%s", info.FullMethod, p, debug.Stack())
		}
		if err != nil {
			answer, err = nil, s.failCall(ctx, info.FullMethod, err)
		}
		s.metrics.observe(routeOf(info.FullMethod), httpStatus[grpcstatus.Code(err)], time.Since(began))
		s.logCall(ctx, info.FullMethod, began, err)
		endCall(span, err)
	}()
	size := int64(proto.Size(q.(proto.Message)))
	defer s.bodies.held.Add(-size)
	if !s.bodies.take(size) {
		return nil, runtime.Errorf(runtime.Busy, "the requests under way take all the memory that they may")
	}
	return handle(ctx, q)
}

// logCall writes the line of a call that was answered, as logExchange does for
// HTTP. Its values may hold anything; log/slog's handlers quote them.
func (s *Server) logCall(ctx context.Context, method string, began time.Time, err error) {
	level := slog.LevelInfo
	if err == nil && methods[method] == scopeOpen {
		level = slog.LevelDebug
	}
	if !s.options.AccessLog || !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("route", routeOf(method)), slog.String("code", grpcstatus.Code(err).String()),
		slog.Float64("ms", float64(time.Since(began).Microseconds())/1000)}
	if p, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("remote", p.Addr.String()))
	}
	if caller := callerOf(ctx); caller != nil {
		attrs = append(attrs, slog.String("token", caller.name))
	}
	if id := trace.SpanContextFromContext(ctx); id.IsSampled() {
		attrs = append(attrs, slog.String("trace", id.TraceID().String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", grpcstatus.Convert(err).Message()))
	}
	s.log.LogAttrs(ctx, level, "call", attrs...)
}

// admitCall sees every call before any of its message is read, and lets in who may
// make it.
func (s *Server) admitCall(ctx context.Context, info *tap.Info) (context.Context, error) {
	need, known := methods[info.FullMethodName]
	if !known {
		return nil, grpcstatus.Error(codes.Unimplemented, "no such method")
	}
	caller, err := s.admit(strings.Join(info.Header.Get("authorization"), ","), need)
	if err != nil {
		err = s.failCall(ctx, info.FullMethodName, err)
		s.metrics.observe(routeOf(info.FullMethodName), httpStatus[grpcstatus.Code(err)], 0)
		return nil, err
	}
	return context.WithValue(ctx, callerKey{}, caller), nil
}

// routeOf is the name under which a method is measured: grpc_ModelInfer.
func routeOf(method string) string { return "grpc_" + method[strings.LastIndexByte(method, '/')+1:] }

// grpcCodes is the one table from the class of an error to the code of a call.
var grpcCodes = map[runtime.Code]codes.Code{
	runtime.Internal:    codes.Internal,
	runtime.Invalid:     codes.InvalidArgument,
	runtime.NotFound:    codes.NotFound,
	runtime.Conflict:    codes.FailedPrecondition,
	runtime.TooLarge:    codes.InvalidArgument,
	runtime.Unsupported: codes.InvalidArgument,
	runtime.Busy:        codes.Unavailable,
	runtime.Damaged:     codes.Internal,
	runtime.Full:        codes.ResourceExhausted,
	runtime.Closed:      codes.Unavailable,
	runtime.Unloaded:    codes.Unavailable,
	runtime.Overloaded:  codes.ResourceExhausted,
	runtime.Deadline:    codes.DeadlineExceeded,
}

// httpStatus is the status that a call's code is measured as: metrics have one
// label for both protocols.
var httpStatus = map[codes.Code]int{
	codes.OK: fiber.StatusOK, codes.Internal: fiber.StatusInternalServerError, codes.InvalidArgument: fiber.StatusBadRequest,
	codes.NotFound: fiber.StatusNotFound, codes.FailedPrecondition: fiber.StatusConflict, codes.Unavailable: fiber.StatusServiceUnavailable,
	codes.ResourceExhausted: fiber.StatusTooManyRequests, codes.DeadlineExceeded: fiber.StatusGatewayTimeout,
	codes.Unauthenticated: fiber.StatusUnauthorized, codes.PermissionDenied: fiber.StatusForbidden,
	codes.Canceled: statusGone, codes.Unimplemented: fiber.StatusNotImplemented,
}

// failCall turns an error into what the caller is told. Faults of ours are logged,
// and their text stays in the log.
func (s *Server) failCall(ctx context.Context, method string, err error) error {
	var known *runtime.Error
	var denied *denial
	switch {
	case errors.As(err, &denied) && denied.status == fiber.StatusUnauthorized:
		return grpcstatus.Error(codes.Unauthenticated, denied.text)
	case errors.As(err, &denied):
		return grpcstatus.Error(codes.PermissionDenied, denied.text)
	case errors.As(err, &known) && known.Code != runtime.Internal && grpcCodes[known.Code] != codes.OK:
		if known.Code == runtime.Damaged || known.Code == runtime.Full {
			s.log.Error("call failed", "method", method, "error", err.Error())
		}
		if after := retryAfter(err); after > 0 {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", fmt.Sprint(after)))
		}
		return grpcstatus.Error(grpcCodes[known.Code], known.Text)
	case errors.Is(err, context.DeadlineExceeded):
		return grpcstatus.Error(codes.DeadlineExceeded, "the call's deadline has passed")
	case errors.Is(err, context.Canceled):
		return grpcstatus.Error(codes.Canceled, "the call was given up")
	}
	if st, ok := grpcstatus.FromError(err); ok {
		return st.Err()
	}
	s.log.Error("call failed", "method", method, "error", err.Error())
	return grpcstatus.Error(codes.Internal, "internal error")
}
