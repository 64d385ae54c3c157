package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// TestRequestsDoNotMix sends many different requests at once. The engine keeps what it
// gets, which must not change, and each answer must belong to its request.
func TestRequestsDoNotMix(t *testing.T) {
	const clients, rounds = 16, 40
	f := servertest.NewEngine()
	var mu sync.Mutex // guards held
	held := make(map[string][]byte)
	f.OnClassify = func(_ context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		held[name] = image
		return runtime.Answer{Variant: name, Scores: []runtime.Score{{Label: string(image), Score: float64(o.TopK)}}}, nil
	}
	s := start(t, f, server.Options{})
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("v%d-%d", c, i)
				body := strings.Repeat(name+" ", 1+(c*i)%3000)
				r := s.Do(t, "POST", fmt.Sprintf("/v1/models/%s/classify?top_k=%d", name, c), body)
				if want := fmt.Sprintf(`[{"label":"%s","score":%d}]`, body, c); r.Body != want || r.Header.Get("Eigenserve-Variant") != name+"@" {
					t.Errorf("%s: got %.80s", name, r.Body)
				}
			}
		})
	}
	wg.Wait()
	if len(held) != clients*rounds {
		t.Errorf("%d names arrived of %d", len(held), clients*rounds)
	}
	for name, image := range held {
		if strings.Trim(strings.ReplaceAll(string(image), name, ""), " ") != "" {
			t.Errorf("%s: the image became %.80q", name, image)
		}
	}
}

// slow makes Classify wait until release is called.
func slow(f *servertest.Engine) (begun chan struct{}, release func()) {
	begun = make(chan struct{}, 8)
	wait := make(chan struct{})
	f.OnClassify = func(ctx context.Context, name string, _ []byte, _ runtime.ClassifyOptions) (runtime.Answer, error) {
		begun <- struct{}{}
		select {
		case <-wait:
			return runtime.Answer{Variant: name}, nil
		case <-ctx.Done():
			return runtime.Answer{}, ctx.Err()
		}
	}
	return begun, sync.OnceFunc(func() { close(wait) })
}

const ask = "POST /v1/models/music-1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nimage"

func TestShutdownWaitsForRequests(t *testing.T) {
	f := servertest.NewEngine()
	begun, release := slow(f)
	s := start(t, f, server.Options{})
	unused := s.Dial(t, "")
	asking := s.Dial(t, ask)
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if err := <-s.Served; err != nil {
		t.Errorf("Listen: %v", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request under way: %v", err)
	default:
	}
	release()
	if got := servertest.Status(asking); got != 200 {
		t.Errorf("the request under way got %d", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if got := servertest.Status(unused); got != 0 {
		t.Errorf("the unused connection got %d", got)
	}
	if _, err := http.Get(s.URL + "/v2/health/live"); err == nil {
		t.Error("it still answers")
	}
}

func TestShutdownCutsOffSlowRequests(t *testing.T) {
	f := servertest.NewEngine()
	begun, release := slow(f)
	defer release()
	s := start(t, f, server.Options{})
	asking := s.Dial(t, ask)
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if got := servertest.Status(asking); got == 200 {
		t.Errorf("got %d", got)
	}
}

func TestListenAfterShutdown(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	s.Do(t, "GET", "/v2/health/live", "")
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-s.Served; err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(l); err != nil {
		t.Errorf("Listen: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its listener is still open: %v", err)
	}
}

func TestReadinessEndsWithShutdown(t *testing.T) {
	f := servertest.NewEngine()
	begun, release := slow(f)
	s := start(t, f, server.Options{})
	// Two requests in one write: the second is answered while the server stops.
	c := s.Dial(t, ask+"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	s.Drain()
	release()
	answers := bufio.NewReader(c)
	for i, want := range []int{200, 503} {
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != want {
			t.Fatalf("answer %d: %v %v, want %d", i, res, err, want)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

func TestClientThatLeavesCancelsItsRequest(t *testing.T) {
	f := servertest.NewEngine()
	ended := make(chan error, 1)
	begun := make(chan struct{})
	f.OnClassify = func(ctx context.Context, _ string, _ []byte, _ runtime.ClassifyOptions) (runtime.Answer, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return runtime.Answer{}, ctx.Err()
	}
	s := start(t, f, server.Options{})
	c := s.Dial(t, ask)
	<-begun
	_ = c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the request was not canceled")
	}
	if log := s.Log.String(); log != "" {
		t.Errorf("log: %s", log)
	}
}

func TestNextRequestMayComeBeforeTheAnswer(t *testing.T) {
	f := servertest.NewEngine()
	begun, release := slow(f)
	s := start(t, f, server.Options{ReadTimeout: time.Second})
	c := s.Dial(t, ask)
	<-begun
	if _, err := c.Write([]byte(ask + ask)); err != nil {
		t.Fatal(err)
	}
	release()
	answers := bufio.NewReader(c)
	for i := range 3 {
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("answer %d: %v %v", i, res, err)
		}
		_ = res.Body.Close()
	}
}

func TestConnectionIsReused(t *testing.T) {
	s := start(t, servertest.NewEngine(), server.Options{})
	c := s.Dial(t, "")
	answers := bufio.NewReader(c)
	for i := range 20 {
		if _, err := c.Write([]byte(ask)); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != 200 || res.Close {
			t.Fatalf("answer %d: %v %v", i, res, err)
		}
		_ = res.Body.Close()
	}
}

// failing is a listener that fails to accept a number of times.
type failing struct {
	net.Listener
	times int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.times--; l.times >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// Having too many open files does not end the server.
func TestAcceptRetries(t *testing.T) {
	log := &servertest.Log{}
	s, err := server.New(servertest.NewEngine(), server.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Listen(&failing{l, 3}) }()
	res, err := http.Get("http://" + l.Addr().String() + "/v2/health/live")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if strings.Count(log.String(), "cannot accept connections") != 1 {
		t.Errorf("the log says %q", log.String())
	}
	if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
		t.Error(err)
	}
}
