package serving

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/version"
	"eigenserve/server"
)

// ListenFlags say how a server is reached, by whom, and within which limits.
type ListenFlags struct {
	addr, adminAddr     string
	GRPCAddr            string
	tokens              string
	insecure            bool
	hosts               []string
	tlsCert, tlsKey     string
	image, variant      cli.SizeValue
	checkpoint, bodies  cli.SizeValue
	connections         int
	read, write, idle   time.Duration
	drain, drainDelay   time.Duration
	logFormat, logLevel string
	AccessLog           bool
	otlp                string
	Samples             fs.FS // set by the demo
}

// Add declares the flags.
func (f *ListenFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&f.GRPCAddr, "grpc-addr", "", "`address` of the Open Inference Protocol over gRPC, such as 127.0.0.1:8081 (default: none)")
	flags.StringVar(&f.tokens, "tokens", "", "`file` of the tokens that requests must show")
	flags.BoolVar(&f.insecure, "insecure", false, "serve other machines without tokens: anyone may do everything")
	flags.StringSliceVar(&f.hosts, "hosts", nil, "`names` that requests may be for besides localhost, on loopback without tokens")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`file` of the TLS certificate with its chain, PEM; read again when it changes")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`file` of the certificate's key, PEM")
	flags.StringVar(&f.adminAddr, "admin-addr", "", "loopback `address` of pprof, at /debug/pprof/ (default: none)")

	f.image, f.variant, f.checkpoint, f.bodies = 32<<20, 512<<20, 4<<30, 8<<30
	flags.Var(&f.image, "max-image", "longest body of a request to classify")
	flags.Var(&f.variant, "max-variant", "longest variant file")
	flags.Var(&f.checkpoint, "max-checkpoint", "longest checkpoint")
	flags.Var(&f.bodies, "max-bodies", "memory of all bodies of requests under way; more get 503 with Retry-After")
	flags.Var(cli.Count(&f.connections, 4096), "max-connections", "connections open at once")
	flags.Var(cli.PositiveDuration(&f.read, 30*time.Second), "read-timeout", "how long a client may take to send a request's head; a body gets a second more for each 16 KiB")
	flags.Var(cli.PositiveDuration(&f.write, 30*time.Second), "write-timeout", "how long a client may take to read an answer")
	flags.Var(cli.PositiveDuration(&f.idle, 2*time.Minute), "idle-timeout", "how long a connection may stay unused")
	flags.Var(cli.Duration(&f.drain, 30*time.Second), "drain-timeout", "how long requests under way may take to finish at the end")
	flags.Var(cli.Duration(&f.drainDelay, 0), "drain-delay", "how long to say 'not ready' and still answer before that, for load balancers to notice")

	flags.Var(cli.Choice(&f.logFormat, "text", "text", "json"), "log-format", "form of the log on standard error")
	flags.Var(cli.Choice(&f.logLevel, "info", "debug", "info", "warn", "error"), "log-level", "least level that is logged")
	flags.StringVar(&f.otlp, "otlp-endpoint", "", "`URL` that traces are sent to by OTLP over HTTP (default: OTEL_EXPORTER_OTLP_ENDPOINT, or none)")
}

// Check finds what is wrong between flags.
func (f *ListenFlags) Check() error {
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return cli.Usagef("--tls-cert and --tls-key belong together: give both")
	}
	if f.tokens != "" && f.insecure {
		return cli.Usagef("--insecure is for servers without --tokens: give one of the two")
	}
	if _, err := f.resolve(f.addr); err != nil {
		return err
	}
	if f.GRPCAddr != "" {
		if _, err := f.resolve(f.GRPCAddr); err != nil {
			return err
		}
	}
	if f.otlp != "" {
		if _, err := tracesURL(f.otlp); err != nil {
			return err
		}
	}
	if f.adminAddr != "" {
		if a, err := net.ResolveTCPAddr("tcp", f.adminAddr); err != nil || !a.IP.IsLoopback() {
			return cli.Usagef("--admin-addr %q: it must be an address of this machine alone, such as 127.0.0.1:6060", f.adminAddr)
		}
	}
	return nil
}

// resolve gives the address to listen on. Other machines are served only by a
// server that asks for tokens, or was told not to.
func (f *ListenFlags) resolve(addr string) (*net.TCPAddr, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, cli.Usagef("%v: give a host and a port, such as 127.0.0.1:8080", err)
	}
	if !a.IP.IsLoopback() && f.tokens == "" && !f.insecure {
		return nil, cli.Usagef("%s can be reached from other machines: give --tokens FILE, or --insecure to let anyone do everything", addr)
	}
	return a, nil
}

func (f *ListenFlags) listen(addr string) (net.Listener, error) {
	a, err := f.resolve(addr)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", a)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --addr or --grpc-addr", err)
	}
	return l, nil
}

// listenGRPC gives no listener where no address is set.
func (f *ListenFlags) listenGRPC() (net.Listener, error) {
	if f.GRPCAddr == "" {
		return nil, nil
	}
	return f.listen(f.GRPCAddr)
}

func (f *ListenFlags) scheme() string {
	if f.tlsCert != "" {
		return "https"
	}
	return "http"
}

func (f *ListenFlags) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel)) // one of the choices
	o := &slog.HandlerOptions{Level: level}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// ServerOptions are those of the server; the files of tokens and certificates are read.
func (f *ListenFlags) ServerOptions(log *slog.Logger) (o server.Options, err error) {
	o = server.Options{
		Log: log, Version: version.String(), AccessLog: f.AccessLog, Samples: f.Samples,
		ImageLimit: int64(f.image), VariantLimit: int64(f.variant), CheckpointLimit: int64(f.checkpoint),
		BodyMemory: int64(f.bodies), Connections: f.connections,
		ReadTimeout: f.read, WriteTimeout: f.write, IdleTimeout: f.idle,
	}
	if f.tokens != "" {
		if o.Tokens, err = server.OpenTokens(f.tokens, log); err != nil {
			return o, err
		}
	}
	if f.tlsCert != "" {
		if o.Certificate, err = server.OpenCertificate(f.tlsCert, f.tlsKey, log); err != nil {
			return o, err
		}
	}
	if len(f.hosts) > 0 || f.tokens == "" && !f.insecure {
		o.Hosts = append([]string{}, f.hosts...)
	}
	return o, nil
}
