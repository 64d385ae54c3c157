package server_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser is a tab of a real, headless Chromium.
type browser struct {
	ctx context.Context

	mu      sync.Mutex // guards the rest
	console []string   // errors and warnings
	hosts   map[string]bool
}

// chromium is the browser of all tests. TestMain stops it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	stop context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(code)
}

// startChromium starts the browser. The test is skipped if none is installed.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	path := findChromium()
	if path == "" {
		t.Skip("no Chromium is installed")
	}
	chromium.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		chromium.ctx, chromium.stop = ctx, func() { stop(); stopAllocator() }
		chromium.err = chromedp.Do(ctx)
	})
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	return chromium.ctx
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// openBrowser opens a page in a tab of its own.
func openBrowser(t *testing.T, address string) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	ctx, stop := chromedp.NewContext(startChromium(t))
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	b := &browser{ctx: ctx, hosts: make(map[string]bool)}
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.onMessage(m)
		}
	}()
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			b.onRequest(e.Request.URL)
		}
	}()
	b.do(t, chromedp.EmulateViewport(1360, 1200), chromedp.Navigate(address))
	return b
}

func (b *browser) onMessage(m chromedp.ConsoleMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch m.Type {
	case chromedp.ConsoleError, chromedp.ConsoleWarning, chromedp.ConsoleException:
		b.console = append(b.console, m.String())
	}
}

func (b *browser) onRequest(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u, err := url.Parse(address); err == nil && u.Host != "" { // a blob: or data: address has none
		b.hosts[u.Host] = true
	}
}

// checkClean checks that the console is empty and that the page has sent requests to no other
// host.
func (b *browser) checkClean(t *testing.T, host string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.console {
		t.Errorf("console: %s", line)
	}
	for h := range b.hosts {
		if h != host {
			t.Errorf("the page sent a request to %s", h)
		}
	}
	if !b.hosts[host] {
		t.Error("the page sent no requests")
	}
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// until waits for a JavaScript expression to be true.
func (b *browser) until(t *testing.T, expression string) {
	t.Helper()
	poll := chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(15*time.Second))
	_, err := chromedp.Run(b.ctx, poll)
	for err != nil && strings.Contains(err.Error(), "Cannot find context") { // the page was reloaded
		_, err = chromedp.Run(b.ctx, poll)
	}
	if err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		t.Fatalf("waiting for %s: %v\n%.3000s", expression, err, page)
	}
}

// eval evaluates a JavaScript expression.
func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// click clicks the first element of a selector.
func (b *browser) click(t *testing.T, selector string) {
	t.Helper()
	b.do(t, chromedp.Click(selector))
}

// throttle limits the uploads of the tab to so many bytes per second, -1 to none.
func (b *browser) throttle(t *testing.T, bytes int) {
	t.Helper()
	conditions := map[string]any{"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes}
	b.do(t, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		return tab.Call(ctx, "Network.emulateNetworkConditions", conditions, nil)
	}))
}

// draw draws strokes on the pad. Coordinates are shares of its size.
func (b *browser) draw(t *testing.T, strokes ...[][2]float64) {
	t.Helper()
	box := eval[[]float64](t, b, `(() => { const p = document.getElementById("pad"); p.scrollIntoView({block: "center"});
		const b = p.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()`)
	for _, stroke := range strokes {
		for i, p := range stroke {
			kind := chromedp.MouseMoved
			if i == 0 {
				kind = chromedp.MousePressed
			}
			x, y := box[0]+p[0]*box[2], box[1]+p[1]*box[3]
			b.do(t, chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft))
			if i == len(stroke)-1 {
				b.do(t, chromedp.MouseEvent(chromedp.MouseReleased, x, y, chromedp.ButtonLeft))
			}
		}
	}
}
