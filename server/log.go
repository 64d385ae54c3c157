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

	"eigenserve/server/wire"
)

const headerRequestID = "X-Request-Id"

// exchange is one request and its answer, as metrics and log tell of them.
type exchange struct {
	id     string
	began  time.Time
	route  string     // its name in the table, "none" without one
	quiet  bool       // an answer that went well is not worth a line
	holder string     // the name of its token
	fault  string     // the error that was answered
	body   *body      // nil where the head could not be read
	span   trace.Span // nil without a route
}

// exchangeKey is where a request keeps its exchange among the library's user
// values.
type exchangeKey struct{}

func newExchange(ctx *fasthttp.RequestCtx) *exchange {
	x := &exchange{id: requestID(ctx.Request.Header.Peek(headerRequestID)), began: time.Now(), route: "none"}
	ctx.SetUserValue(exchangeKey{}, x)
	return x
}

func exchangeOf(ctx *fasthttp.RequestCtx) *exchange {
	x, _ := ctx.UserValue(exchangeKey{}).(*exchange)
	return x
}

// requestID is the caller's own name for a request, if it is one that a log, a
// header and a shell can hold, or else a random one.
func requestID(given []byte) string {
	if len(given) > 0 && len(given) <= 64 && allID(given) {
		return string(given)
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func allID(text []byte) bool {
	for _, c := range text {
		letter := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// longestPath is how much of a path a log line holds.
const longestPath = 300

// logExchange writes the line of a request that was answered. Its values may hold
// anything; log/slog's handlers quote them.
func (s *Server) logExchange(ctx *fasthttp.RequestCtx, x *exchange) {
	level := slog.LevelInfo
	status := ctx.Response.StatusCode()
	if x.quiet && status < fiber.StatusBadRequest {
		level = slog.LevelDebug
	}
	if !s.options.AccessLog || !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("id", x.id), slog.String("remote", ctx.RemoteAddr().String())}
	read := int64(0)
	if x.body != nil {
		path := ctx.URI().PathOriginal()
		attrs = append(attrs,
			slog.String("method", string(ctx.Method())),
			slog.String("path", string(path[:min(len(path), longestPath)])))
		read = x.body.read
	}
	attrs = append(attrs,
		slog.String("route", x.route),
		slog.Int("status", status),
		slog.Int64("in", read),
		slog.Int("out", max(0, sizeOf(&ctx.Response))),
		slog.Float64("ms", float64(time.Since(x.began).Microseconds())/1000))
	for _, optional := range [][2]string{
		{"token", x.holder}, {"trace", x.traceID()}, {"variant", string(ctx.Response.Header.Peek(wire.HeaderVariant))}, {"error", x.fault},
	} {
		if optional[1] != "" {
			attrs = append(attrs, slog.String(optional[0], optional[1]))
		}
	}
	s.log.LogAttrs(context.Background(), level, "request", attrs...)
}

func sizeOf(r *fasthttp.Response) int {
	if r.IsBodyStream() { // reading it here would take it from the client
		return r.Header.ContentLength()
	}
	return len(r.Body())
}
