package serving

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/version"
	"eigenserve/server"
	"eigenserve/server/auth"
	"eigenserve/server/cors"
)

// ListenFlags say where a server listens, for whom, and within which limits.
type ListenFlags struct {
	GRPCAddr  string
	AccessLog bool
	Samples   fs.FS // images for the page to offer; may be nil

	addr, adminAddr string
	tokens          string
	insecure        bool
	hosts, origins  []string
	tlsCert, tlsKey string

	imageUpload, variantUpload, checkpointUpload cli.SizeValue
	uploadMemory                                 cli.SizeValue
	connections                                  int
	read, write, idle                            time.Duration
	drain, drainDelay                            time.Duration

	logFormat, logLevel string
	otlp                string
}

// Add declares the flags.
func (f *ListenFlags) Add(cmd *cobra.Command) {
	f.addAddresses(cmd.Flags())
	f.addLimits(cmd.Flags())
	f.addLogging(cmd.Flags())
}

func (f *ListenFlags) addAddresses(flags *pflag.FlagSet) {
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	flags.StringVar(&f.GRPCAddr, "grpc-addr", "", "`address` for the Open Inference Protocol over gRPC, such as 127.0.0.1:8081 (default: no gRPC)")
	flags.StringVar(&f.adminAddr, "admin-addr", "", "loopback `address` for pprof, under /debug/pprof/ (default: no pprof)")
	flags.StringVar(&f.tokens, "tokens", "", "`file` of the tokens that requests must carry")
	flags.BoolVar(&f.insecure, "insecure", false, "serve other machines without tokens: anyone may do anything")
	flags.StringSliceVar(&f.hosts, "hosts", nil, "host `names` to accept in requests besides localhost, on loopback without tokens")
	flags.StringSliceVar(&f.origins, "cors-origins", nil, "`origins` whose web pages may call this server from a browser, such as https://app.example, or * for all (default: only the server's own page)")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`file` with the TLS certificate and its chain, in PEM; read again when it changes")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`file` with the certificate's key, in PEM")
}

func (f *ListenFlags) addLimits(flags *pflag.FlagSet) {
	f.imageUpload, f.variantUpload, f.checkpointUpload, f.uploadMemory = 32<<20, 512<<20, 4<<30, 8<<30
	flags.Var(&f.imageUpload, "max-image-upload", "longest body of a request to classify")
	flags.Var(&f.variantUpload, "max-variant-upload", "longest variant file in an upload")
	flags.Var(&f.checkpointUpload, "max-checkpoint-upload", "longest checkpoint in an upload")
	flags.Var(&f.uploadMemory, "upload-memory", "memory for the bodies of all requests in progress; beyond it the answer is 503 with Retry-After")
	flags.Var(cli.Count(&f.connections, 4096), "max-connections", "most open connections")
	flags.Var(cli.PositiveDuration(&f.read, 30*time.Second), "read-timeout", "longest time a client may take to send a request's header; a body gets another second for every 16 KiB")
	flags.Var(cli.PositiveDuration(&f.write, 30*time.Second), "write-timeout", "longest time a client may take to read an answer")
	flags.Var(cli.PositiveDuration(&f.idle, 2*time.Minute), "idle-timeout", "longest time a connection may stay unused")
	flags.Var(cli.Duration(&f.drain, 30*time.Second), "drain-timeout", "on shutdown, longest wait for the requests in progress")
	flags.Var(cli.Duration(&f.drainDelay, 0), "drain-delay", "on shutdown, how long to report 'not ready' but keep answering, so that load balancers notice")
	for old, name := range map[string]string{"max-image": "max-image-upload", "max-variant": "max-variant-upload",
		"max-checkpoint": "max-checkpoint-upload", "max-bodies": "upload-memory"} {
		cli.KeepOldName(flags, old, name)
	}
}

func (f *ListenFlags) addLogging(flags *pflag.FlagSet) {
	flags.Var(cli.Choice(&f.logFormat, "text", "text", "json"), "log-format", "format of the log on standard error")
	flags.Var(cli.Choice(&f.logLevel, "info", "debug", "info", "warn", "error"), "log-level", "lowest level to log")
	flags.StringVar(&f.otlp, "otlp-endpoint", "", "`URL` to send traces to, by OTLP over HTTP (default: OTEL_EXPORTER_OTLP_ENDPOINT, or no traces)")
}

// Check returns an error of usage for flags that do not go together.
func (f *ListenFlags) Check() error {
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return cli.Usagef("--tls-cert and --tls-key belong together: give both")
	}
	if f.tokens != "" && f.insecure {
		return cli.Usagef("give one of --tokens and --insecure")
	}
	if _, err := cors.New(f.origins); err != nil {
		return cli.Usagef("--cors-origins: %v", err)
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
			return cli.Usagef("--admin-addr %q: give a loopback address such as 127.0.0.1:6060", f.adminAddr)
		}
	}
	return nil
}

// resolve returns the address to listen on. An address that other machines can
// reach needs --tokens or --insecure.
func (f *ListenFlags) resolve(addr string) (*net.TCPAddr, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, cli.Usagef("%v: give a host and a port, such as 127.0.0.1:8080", err)
	}
	if !a.IP.IsLoopback() && f.tokens == "" && !f.insecure {
		return nil, cli.Usagef("%s can be reached from other machines: give --tokens FILE, or --insecure to let anyone do anything", addr)
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

// listenGRPC returns nil if there is no address for gRPC.
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

// Logger returns the logger that the flags describe, which writes to w.
func (f *ListenFlags) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel)) // one of the choices
	o := &slog.HandlerOptions{Level: level}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// ServerOptions returns the server's options that the flags describe. It reads the
// files of tokens and certificates.
func (f *ListenFlags) ServerOptions(log *slog.Logger) (o server.Options, err error) {
	o = server.Options{
		Log: log, Version: version.Version, AccessLog: f.AccessLog, Samples: f.Samples,
		ImageLimit: int64(f.imageUpload), VariantLimit: int64(f.variantUpload), CheckpointLimit: int64(f.checkpointUpload),
		BodyMemory: int64(f.uploadMemory), Connections: f.connections,
		ReadTimeout: f.read, WriteTimeout: f.write, IdleTimeout: f.idle,
	}
	if o.CORS, err = cors.New(f.origins); err != nil {
		return o, err
	}
	if f.tokens != "" {
		if o.Tokens, err = auth.OpenTokens(f.tokens, log); err != nil {
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
