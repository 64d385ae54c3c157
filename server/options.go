package server

import (
	"io/fs"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"eigenserve/server/auth"
	"eigenserve/server/cors"
)

// Options of a Server. The zero value of a field stands for its default.
type Options struct {
	Log *slog.Logger // slog.Default()
	// Version of the program, for callers who ask: "devel".
	Version string

	// The longest body of a request in bytes, by what it carries.
	ImageLimit      int64 // 32 MiB
	VariantLimit    int64 // 512 MiB
	CheckpointLimit int64 // 4 GiB
	// BodyMemory is how many bytes the bodies of all requests under way may take
	// together. A request that exceeds it is answered 503.
	BodyMemory int64 // 8 GiB
	// Connections is how many connections may be open at once.
	Connections int // 4096

	// ReadTimeout is how long a client may take to send the head of a request. A body
	// may take longer, by one second for each 16 KiB that has arrived.
	ReadTimeout  time.Duration // 30 s
	WriteTimeout time.Duration // 30 s, for one response
	IdleTimeout  time.Duration // 2 min, between two requests of a connection

	// Tracer records the spans of requests. If nil, there are none.
	Tracer trace.TracerProvider
	// AccessLog writes a line to Log for each request.
	AccessLog bool
	// Certificate makes the server speak TLS. If nil, it speaks plain HTTP.
	Certificate *Certificate
	// Tokens are required on all routes but the open ones. If nil, anyone may do
	// everything.
	Tokens *auth.Tokens
	// Hosts are the host names that requests may be for, besides localhost and IP
	// addresses. If nil, they may be for any.
	Hosts []string
	// CORS says which pages of other origins may call the server from a browser. If nil,
	// none may.
	CORS *cors.Policy

	// Samples are images to try on the page: a file v/l.png is a sample of the label
	// l for the variant v. If nil, there are none.
	Samples fs.FS
}

const mib = 1 << 20

func (o Options) withDefaults() Options {
	setDefault(&o.Log, slog.Default())
	setDefault(&o.Version, "devel")
	setDefault(&o.ImageLimit, 32*mib)
	setDefault(&o.VariantLimit, 512*mib)
	setDefault(&o.CheckpointLimit, 4096*mib)
	setDefault(&o.BodyMemory, 8192*mib)
	setDefault(&o.Connections, 4096)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	return o
}

// setDefault sets a field to value if it is zero.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
