package serving

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"eigenserve/server/auth"
)

// openAdmin serves Go's profiler on a loopback address, apart from the server, so
// that it answers even when the server does not. With an empty address it does
// nothing.
func openAdmin(addr string, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--admin-addr: %w", err)
	}
	srv := &http.Server{Handler: adminHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() { _ = srv.Serve(listener) }() // until it is closed
	log.Info("serving pprof", "url", fmt.Sprintf("http://%s/debug/pprof/", listener.Addr()))
	return func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // do not wait for a profile in progress
		_ = srv.Shutdown(ctx)
		_ = srv.Close()
	}, nil
}

// adminHandler serves pprof. It refuses requests for other hosts, which a web page
// could send through a name that it made resolve to this machine.
func adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !auth.LocalHost(r.Host) {
			http.Error(w, "this server does not serve that host", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
