package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/store"
)

// Program is what a server shows and tells.
type Program struct {
	Stdout, Stderr io.Writer
	Listening      func(addr string)
}

// Serve serves a store until ctx is done, then lets the requests under way
// finish. ready is called once the address answers, with its URL.
func (m Program) Serve(ctx context.Context, s *store.Store, f ListenFlags, o runtime.Options, ready func(url string, eng *runtime.Engine)) (err error) {
	if os.Getenv("GOGC") == "" {
		// What is large lies outside Go's heap. Collecting the rest twice as often
		// as usual costs little and keeps garbage from outweighing the models.
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	log := f.Logger(m.Stderr)
	so, err := f.ServerOptions(log)
	if err != nil {
		return err
	}
	var stopTracing func()
	if so.Tracer, stopTracing, err = openTracing(ctx, f.otlp, log); err != nil {
		return err
	}
	defer stopTracing()
	eng, err := runtime.Open(s, o)
	if err != nil {
		return err
	}
	defer eng.Close()
	srv, err := server.New(eng, so)
	if err != nil {
		return err
	}
	closeAdmin, err := openAdmin(f.adminAddr, log)
	if err != nil {
		return err
	}
	defer closeAdmin()
	at, err := f.open(srv)
	if err != nil {
		return err
	}
	defer at.close()
	defer reloadOnHangup(srv)()
	defer preload(ctx, eng, log)()
	for _, line := range eng.Warnings() {
		log.Warn(line)
	}
	defer watchStore(eng, log)()
	if so.Tokens != nil && f.tlsCert == "" && !at.http.Addr().(*net.TCPAddr).IP.IsLoopback() {
		log.Warn("tokens cross the network in the clear: give --tls-cert and --tls-key, or put a proxy with TLS before this server")
	}
	ready(f.scheme()+"://"+at.http.Addr().String(), eng)
	if at.grpc != nil {
		fmt.Fprintf(m.Stdout, "gRPC at %s\n", at.grpc.Addr())
	}
	if m.Listening != nil {
		m.Listening(at.http.Addr().String())
	}
	select {
	case err := <-at.served:
		return cmp.Or(err, errors.New("the server stopped by itself"))
	case <-ctx.Done():
	}
	return f.finish(srv, at.served, log)
}

// listeners are where a server answers, grpc nil where it speaks none. served is
// told how each ended.
type listeners struct {
	http, grpc net.Listener
	served     chan error
}

// open listens on all addresses and begins to answer.
func (f *ListenFlags) open(srv *server.Server) (at listeners, err error) {
	if at.http, err = f.listen(f.addr); err != nil {
		return at, err
	}
	if at.grpc, err = f.listenGRPC(); err != nil {
		at.http.Close()
		return at, err
	}
	at.served = make(chan error, 2)
	go func() { at.served <- srv.Listen(at.http) }()
	if at.grpc != nil {
		go func() { at.served <- srv.ListenGRPC(at.grpc) }()
	}
	return at, nil
}

func (at listeners) close() {
	at.http.Close()
	if at.grpc != nil {
		at.grpc.Close()
	}
}

// finish ends a server: first it says that it is not ready, then it accepts no
// more, then it waits for what is under way.
func (f *ListenFlags) finish(srv *server.Server, served <-chan error, log *slog.Logger) error {
	srv.Drain()
	if f.drainDelay > 0 {
		log.Info("not ready any more", "still answering for", f.drainDelay.String())
		time.Sleep(f.drainDelay)
	}
	log.Info("finishing the requests under way", "for at most", f.drain.String())
	end, cancel := context.WithTimeout(context.Background(), f.drain)
	defer cancel()
	return errors.Join(srv.Shutdown(end), <-served)
}

// reloadOnHangup reads tokens and certificates again on SIGHUP, until stopped.
func reloadOnHangup(srv *server.Server) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangups:
				_ = srv.Reload() // it logs what it could not read
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
}
