package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// safeBuffer is a stream that a test can read while the program writes to it.
type safeBuffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serveRun is a serve command that runs in-process.
type serveRun struct {
	addr         string
	stdout, errs safeBuffer
	stop         func()   // interrupts it
	ended        chan int // receives its exit status
}

func runServe(t *testing.T, args ...string) *serveRun {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &serveRun{stop: stop, ended: make(chan int, 1)}
	listening := make(chan string, 1)
	m := &Main{Stdout: &r.stdout, Stderr: &r.errs, Listening: func(addr string) { listening <- addr }}
	go func() { r.ended <- m.Run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)) }()
	t.Cleanup(func() { m.Close() })
	select {
	case r.addr = <-listening:
	case status := <-r.ended:
		t.Fatalf("serve ended with status %d: %s", status, r.errs.String())
	}
	return r
}

func get(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(raw)
}

// TestDrain stops a server while a request is being sent: it reports that it is not
// ready, then accepts no more connections, then answers the request, then exits with 0.
func TestDrain(t *testing.T) {
	r := runServe(t, "--store", emptyStore(t), "--drain-delay", "300ms", "--drain-timeout", "20s", "--log-format", "json")
	slow, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(slow, "PUT /v1/models/x HTTP/1.1\r\nHost: %s\r\nContent-Length: 9000\r\n\r\n%s", r.addr, strings.Repeat("x", 8999))
	if status, _ := get(t, "http://"+r.addr+"/v2/health/ready", ""); status != 200 {
		t.Errorf("before: ready says %d", status)
	}
	r.stop()
	unready := 0
	for unready != 503 { // it still answers during --drain-delay
		res, err := http.Get("http://" + r.addr + "/v2/health/ready")
		if err != nil {
			t.Fatalf("it stopped answering before it reported that it is not ready: %v", err)
		}
		unready = res.StatusCode
		_ = res.Body.Close()
	}
	for { // until nothing listens there
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		_ = c.Close()
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case status := <-r.ended:
		t.Fatalf("it ended with status %d while a request was in progress", status)
	default:
	}
	fmt.Fprint(slow, "x")
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil || res.StatusCode != 400 { // it is not a variant
		t.Errorf("the request in progress: %v %v", res, err)
	}
	if status := <-r.ended; status != 0 {
		t.Errorf("status %d: %s", status, r.errs.String())
	}
}

// TestDrainTimeout stops a server whose client never finishes its request.
func TestDrainTimeout(t *testing.T) {
	r := runServe(t, "--store", emptyStore(t), "--drain-delay", "200ms", "--drain-timeout", "50ms")
	slow, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "PUT /v1/models/x HTTP/1.1\r\nHost: %s\r\nContent-Length: 9000\r\n\r\nxx", r.addr)
	get(t, "http://"+r.addr+"/v2/health/ready", "")
	r.stop()
	if status := <-r.ended; status != 1 {
		t.Errorf("status %d: %s", status, r.errs.String())
	}
}

func TestServeWithTokens(t *testing.T) {
	token := strings.Repeat("secret", 4)
	file := write(t, "tokens.yaml", fmt.Sprintf("tokens: [{name: ci, sha256: %x, scopes: [read]}]", sha256.Sum256([]byte(token))))
	r := runServe(t, "--store", emptyStore(t), "--tokens", file)
	if status, body := get(t, "http://"+r.addr+"/v1/models", ""); status != 401 {
		t.Errorf("without a token: %d %s", status, body)
	}
	if status, body := get(t, "http://"+r.addr+"/v1/models", token); status != 200 {
		t.Errorf("with a token: %d %s", status, body)
	}
	if status, _, errs := program(t, "ls", "--server", r.addr); status != 1 || !strings.Contains(errs, "EIGENSERVE_TOKEN") {
		t.Errorf("ls without a token: %d %s", status, errs)
	}
	t.Setenv("EIGENSERVE_TOKEN", token)
	must(t, "ls", "--server", r.addr)
	if status, _, errs := program(t, "rm", "x", "--server", r.addr); status != 1 || !strings.Contains(errs, `"admin"`) {
		t.Errorf("rm: %d %s", status, errs)
	}
	if err := os.WriteFile(file, []byte("tokens: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t)
	for !strings.Contains(r.errs.String(), "cannot reload files") {
		time.Sleep(time.Millisecond) // nothing signals that it is done
	}
	must(t, "ls", "--server", r.addr)
	if text := r.errs.String(); strings.Contains(text, token) || !strings.Contains(text, "token=ci") {
		t.Errorf("log: %s", text)
	}
}

// hangUp sends SIGHUP to this process.
func hangUp(t *testing.T) {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestTraces runs a server that sends its spans to a collector.
func TestTraces(t *testing.T) {
	var mu sync.Mutex // guards sent
	var sent strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&sent, "%s %s\n", r.URL.Path, raw)
	}))
	defer collector.Close()
	r := runServe(t, "--store", emptyStore(t), "--otlp-endpoint", collector.URL)
	get(t, "http://"+r.addr+"/v1/families", "")
	r.stop()
	if status := <-r.ended; status != 0 {
		t.Fatalf("status %d: %s", status, r.errs.String())
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"/v1/traces ", "GET /v1/families", "service.name", "eigenserve"} {
		if !strings.Contains(sent.String(), want) {
			t.Errorf("%q was not sent", want)
		}
	}
	if status, _, errs := program(t, "serve", "--store", emptyStore(t), "--otlp-endpoint", "localhost:4318"); status != 2 || !strings.Contains(errs, "http://") {
		t.Errorf("a bad endpoint: %d %s", status, errs)
	}
}

func TestAdmin(t *testing.T) {
	r := runServe(t, "--store", emptyStore(t), "--admin-addr", "127.0.0.1:0")
	if !strings.Contains(r.errs.String(), "/debug/pprof/") {
		t.Errorf("log: %s", r.errs.String())
	}
}

// TestCORSOrigins starts a server for the pages of any origin, which it warns of.
func TestCORSOrigins(t *testing.T) {
	r := runServe(t, "--store", emptyStore(t), "--cors-origins", "*")
	req, err := http.NewRequest(http.MethodPost, "http://"+r.addr+"/v1/models/nobody/classify", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://app.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 404 || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %s %v", res.Status, res.Header)
	}
	if !strings.Contains(r.errs.String(), "any web page") {
		t.Errorf("log: %s", r.errs.String())
	}
}
