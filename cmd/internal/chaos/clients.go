package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"eigenserve/cmd/internal/client"
	"eigenserve/cmd/internal/load"
)

// read is an answer, with the ticks between which it came about.
type read struct {
	ref          string // the reference that was asked
	model        string // that answered
	digest       string
	image        int
	scores       []load.LabelScore
	began, ended int64
}

// readOnce asks one model and judges the answer.
func (c *run) readOnce(ctx context.Context, r *rand.Rand) {
	ref, whole := c.reference(r)
	a := read{ref: ref, image: r.IntN(len(c.env.requests)), began: c.env.history.tick()}
	deaths, began := c.env.server.epoch.Load(), time.Now()
	res, raw, err := post(ctx, c.env.server.current.Load().Client, "/v1/models/"+url.PathEscape(ref)+"/classify", c.env.requests[a.image])
	a.ended = c.env.history.tick()
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, fmt.Sprintf("%s got no answer: %v", ref, err))
		}
		return
	}
	c.report.count("answers", res.StatusCode)
	switch res.StatusCode {
	case http.StatusOK:
		c.report.observeLatency(time.Since(began))
		c.checkAnswer(a, whole, res.Header.Get("Eigenserve-Variant"), raw)
	case http.StatusNotFound:
		if whole && !c.env.history.mayBeAbsent(ref, a.began, a.ended) || !whole && c.wasPresent(a) {
			c.report.violation("%s: not found, though it was there all the time", ref)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		c.report.violation("%s: status %d: %.200s", ref, res.StatusCode, raw)
	}
}

// reference chooses what to ask: a name, or (not whole) one with a digest.
func (c *run) reference(r *rand.Rand) (ref string, whole bool) {
	name := c.names[r.IntN(len(c.names))]
	if r.IntN(8) > 0 || strings.HasPrefix(name, "alias") {
		return name, true
	}
	if digest := c.env.history.latest(name); digest != "" {
		return name + "@" + digest[:8+r.IntN(57)], false
	}
	return name, true
}

// wasPresent tells whether what a reference with a digest asks for was there all the time.
func (c *run) wasPresent(a read) bool {
	name, prefix, _ := strings.Cut(a.ref, "@")
	digest := c.env.history.latest(name)
	return strings.HasPrefix(digest, prefix) && c.env.history.heldThroughout(name, digest, a.began, a.ended)
}

// checkAnswer holds an answer against the claims, and its logits against those that its
// digest is to have.
func (c *run) checkAnswer(a read, whole bool, variant string, raw []byte) {
	model, digest, _ := strings.Cut(variant, "@")
	a.model, a.digest = model, digest
	if json.Unmarshal(raw, &a.scores) != nil || len(a.scores) == 0 {
		c.report.violation("%s: no scores: %.200s", a.ref, raw)
		return
	}
	v := invalid
	switch name, prefix, _ := strings.Cut(a.ref, "@"); {
	case !whole: // any version that was ever there
		if model == name && strings.HasPrefix(digest, prefix) {
			v = valid
		}
	case strings.HasPrefix(name, "alias"):
		v = c.env.history.judgeAlias(name, model, a)
	case model == name:
		v = c.env.history.judge(name, a)
	}
	switch v {
	case invalid:
		c.report.violation("%s was answered by %.40s, which it did not stand for", a.ref, variant)
	case valid:
		c.compareLogits(a)
	}
}

// compareLogits compares an answer's logits with the reference's.
func (c *run) compareLogits(a read) {
	if len(a.scores) == 0 { // a look at the catalogue
		return
	}
	want, ok := c.env.reference.logitsOf(a.digest)
	if !ok { // of a change that was cut off, whose file nobody has seen yet
		if err := c.env.addStored(a.digest); err != nil {
			c.report.notCompared(err)
			return
		}
		want, _ = c.env.reference.logitsOf(a.digest)
	}
	c.report.compareLogits(a, want)
}

// post sends a request and reads all of the answer.
func post(ctx context.Context, c *client.Client, path string, body []byte) (*http.Response, []byte, error) {
	res, err := c.Do(ctx, http.MethodPost, path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, raw, err
}

// unanswered counts a request without an answer, which only a server that was
// killed meanwhile may leave.
func (c *run) unanswered(deaths int64, what string) {
	if c.env.server.killedSince(deaths) {
		c.report.count("cut off by a kill", 0)
		return
	}
	c.report.violation("%s", what)
}

// dial opens a plain connection to the server; nil when there is none.
func (c *run) dial(ctx context.Context) net.Conn {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", strings.TrimPrefix(c.env.server.current.Load().BaseURL, "http://"))
	if err != nil {
		return nil
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// slowClient is a client that sends its request a few bytes at a time, or takes its
// answer so. It gets a right answer or is thrown out; others don't wait for it.
func (c *run) slowClient(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.report.count("slow clients", 0)
	body := c.env.requests[0]
	text := fmt.Sprintf("POST /v1/models/%s/classify HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.env.names.fitted[0], conn.RemoteAddr(), len(body), body)
	for at := 0; at < len(text) && ctx.Err() == nil; {
		n := min(1+r.IntN(len(text)/16), len(text)-at)
		if _, err := io.WriteString(conn, text[at:at+n]); err != nil {
			return
		}
		at += n
		pause(ctx, time.Duration(r.IntN(200))*time.Millisecond)
	}
	one := make([]byte, 16)
	for ctx.Err() == nil {
		if _, err := conn.Read(one); err != nil {
			return
		}
		pause(ctx, time.Duration(r.IntN(50))*time.Millisecond)
	}
}

// hangUp is a client that leaves in the middle of its question, or before the
// answer.
func (c *run) hangUp(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.report.count("cut connections", 0)
	body := c.env.requests[r.IntN(len(c.env.requests))]
	text := fmt.Sprintf("POST /v1/models/%s/classify HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.names[r.IntN(len(c.names))], conn.RemoteAddr(), len(body), body)
	if r.IntN(2) == 0 {
		text = text[:r.IntN(len(text))]
	}
	_, _ = io.WriteString(conn, text)
	pause(ctx, time.Duration(r.IntN(10))*time.Millisecond)
}

func pause(ctx context.Context, d time.Duration) { _ = load.SleepUntil(ctx, time.Now().Add(d)) }
