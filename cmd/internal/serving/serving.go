// Package serving runs the server of serve and demo: its flags, listeners, tracing
// and shutdown. How requests are answered is package server's.
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

// Program is a server of one store.
type Program struct {
	Store          *store.Store
	Listen         ListenFlags
	Engine         runtime.Options
	Stdout, Stderr io.Writer
	// Ready is called once the server answers at a URL.
	Ready func(url string, eng *runtime.Engine)
	// Listening, if set, is called after Ready with the address.
	Listening func(addr string)
}

// Run serves until ctx is done, then waits for the requests in progress.
func (p Program) Run(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		// The large allocations are outside Go's heap. Collecting the rest twice as
		// often as usual costs little and keeps garbage from outweighing the models.
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	log := p.Listen.Logger(p.Stderr)
	o, err := p.Listen.ServerOptions(log)
	if err != nil {
		return err
	}
	var stopTracing func()
	if o.Tracer, stopTracing, err = openTracing(ctx, p.Listen.otlp, log); err != nil {
		return err
	}
	defer stopTracing()
	eng, err := runtime.Open(p.Store, p.Engine)
	if err != nil {
		return err
	}
	defer eng.Close()
	srv, err := server.New(eng, o)
	if err != nil {
		return err
	}
	closeAdmin, err := openAdmin(p.Listen.adminAddr, log)
	if err != nil {
		return err
	}
	defer closeAdmin()
	l, err := p.Listen.open(srv)
	if err != nil {
		return err
	}
	defer l.close()
	defer reloadOnHangup(srv)()
	defer preload(ctx, eng, log)()
	for _, line := range eng.Warnings() {
		log.Warn(line)
	}
	defer watchStore(eng, log)()
	if o.Tokens != nil && p.Listen.tlsCert == "" && !l.http.Addr().(*net.TCPAddr).IP.IsLoopback() {
		log.Warn("tokens cross the network unencrypted: give --tls-cert and --tls-key, or put a proxy with TLS in front of this server")
	}
	if o.CORS.IsForAll() && o.Tokens == nil {
		log.Warn("any web page that is open on this machine may use and change the models: give --tokens, or name the origins in --cors-origins")
	}
	p.announce(l, eng)
	select {
	case err := <-l.served:
		return cmp.Or(err, errors.New("the server stopped unexpectedly"))
	case <-ctx.Done():
	}
	return p.Listen.shutDown(srv, l.served, log)
}

// IgnoreClosedLog makes writes to a pipe that nobody reads any more fail instead of ending
// the process: a server outlives the reader of its log, whose lines are then lost. It must
// be called before the server writes anything.
func IgnoreClosedLog() { signal.Ignore(syscall.SIGPIPE) }

// announce says where the server answers.
func (p Program) announce(l listeners, eng *runtime.Engine) {
	p.Ready(p.Listen.scheme()+"://"+l.http.Addr().String(), eng)
	if l.grpc != nil {
		fmt.Fprintf(p.Stdout, "gRPC at %s\n", l.grpc.Addr())
	}
	if p.Listening != nil {
		p.Listening(l.http.Addr().String())
	}
}

// listeners are where a server answers; grpc may be nil. served receives how each
// of them ended.
type listeners struct {
	http, grpc net.Listener
	served     chan error
}

// open starts to answer on all addresses.
func (f *ListenFlags) open(srv *server.Server) (l listeners, err error) {
	if l.http, err = f.listen(f.addr); err != nil {
		return l, err
	}
	if l.grpc, err = f.listenGRPC(); err != nil {
		l.http.Close()
		return l, err
	}
	l.served = make(chan error, 2)
	go func() { l.served <- srv.Listen(l.http) }()
	if l.grpc != nil {
		go func() { l.served <- srv.ListenGRPC(l.grpc) }()
	}
	return l, nil
}

func (l listeners) close() {
	l.http.Close()
	if l.grpc != nil {
		l.grpc.Close()
	}
}

// shutDown ends a server: it reports that it is not ready, then accepts no more
// connections, then waits for the requests in progress.
func (f *ListenFlags) shutDown(srv *server.Server, served <-chan error, log *slog.Logger) error {
	srv.Drain()
	if f.drainDelay > 0 {
		log.Info("not ready any more, but still answering", "for", f.drainDelay.String())
		time.Sleep(f.drainDelay)
	}
	log.Info("waiting for the requests in progress", "for at most", f.drain.String())
	ctx, cancel := context.WithTimeout(context.Background(), f.drain)
	defer cancel()
	return errors.Join(srv.Shutdown(ctx), <-served)
}

// reloadOnHangup reads tokens and certificates again on SIGHUP until stop is called.
func reloadOnHangup(srv *server.Server) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangups:
				_ = srv.Reload() // it logs its errors
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
}
