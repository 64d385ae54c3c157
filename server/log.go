package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

const headerRequestID = "X-Request-Id"

// noRoute is what metrics, log and traces call a request that no route is for.
const noRoute = "none"

// record is what metrics, log and traces say of one request and its answer.
type record struct {
	id     string
	began  time.Time
	route  string       // its name in the table, noRoute if there is no route
	quiet  bool         // log success only at debug level
	caller *auth.Caller // nil: the route is open, or the server has no tokens
	fault  string       // the error that was answered
	body   *body        // nil if the head could not be read
	span   trace.Span   // nil if there is no route
}

// recordKey is the key of a request's record among the library's user values.
type recordKey struct{}

func newRecord(ctx *fasthttp.RequestCtx) *record {
	rec := &record{id: requestID(ctx.Request.Header.Peek(headerRequestID)), began: time.Now(), route: noRoute}
	ctx.SetUserValue(recordKey{}, rec)
	return rec
}

func recordOf(ctx *fasthttp.RequestCtx) *record {
	rec, _ := ctx.UserValue(recordKey{}).(*record)
	return rec
}

// requestID returns the ID that the caller gave a request, if a log, a header and a
// shell can hold it, or else a random one.
func requestID(given []byte) string {
	if len(given) > 0 && len(given) <= 64 && isID(given) {
		return string(given)
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func isID(text []byte) bool {
	for _, c := range text {
		letter := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// maxLoggedPath is how many bytes of a path a log line holds.
const maxLoggedPath = 300

// logRequest writes the access log line of a request that was answered. Its values may
// hold anything; log/slog's handlers quote them.
func (s *Server) logRequest(ctx *fasthttp.RequestCtx, rec *record) {
	level := slog.LevelInfo
	status := ctx.Response.StatusCode()
	if rec.quiet && status < fiber.StatusBadRequest {
		level = slog.LevelDebug
	}
	if !s.options.AccessLog || !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("id", rec.id), slog.String("remote", ctx.RemoteAddr().String())}
	read := int64(0)
	if rec.body != nil {
		path := ctx.URI().PathOriginal()
		attrs = append(attrs,
			slog.String("method", string(ctx.Method())),
			slog.String("path", string(path[:min(len(path), maxLoggedPath)])))
		read = rec.body.read
	}
	attrs = append(attrs,
		slog.String("route", rec.route),
		slog.Int("status", status),
		slog.Int64("in", read),
		slog.Int("out", max(0, bodySize(&ctx.Response))),
		slog.Float64("ms", float64(time.Since(rec.began).Microseconds())/1000))
	token := ""
	if rec.caller != nil {
		token = rec.caller.Name()
	}
	for _, optional := range [][2]string{
		{"token", token}, {"trace", rec.traceID()}, {"variant", string(ctx.Response.Header.Peek(wire.HeaderVariant))}, {"error", rec.fault},
	} {
		if optional[1] != "" {
			attrs = append(attrs, slog.String(optional[0], optional[1]))
		}
	}
	s.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// bodySize returns the length of a response's body.
func bodySize(r *fasthttp.Response) int {
	if r.IsBodyStream() { // reading it here would take it from the client
		return r.Header.ContentLength()
	}
	return len(r.Body())
}
