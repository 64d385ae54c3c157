package main

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
)

// answered is an answer, with the ticks between which it came about.
type answered struct {
	asked        string // the reference that was asked
	model        string // that answered
	digest       string
	image        int
	scores       []labelScore
	began, ended int64
}

// read asks one model and judges the answer.
func (c *chaos) read(ctx context.Context, r *rand.Rand) {
	ref, whole := c.reference(r)
	a := answered{asked: ref, image: r.IntN(len(c.w.bodies)), began: c.w.claims.tick()}
	deaths, began := c.w.server.deaths.Load(), time.Now()
	res, raw, err := c.w.server.life.Load().post(ctx, "/v1/models/"+url.PathEscape(ref)+"/classify", c.w.bodies[a.image])
	a.ended = c.w.claims.tick()
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, fmt.Sprintf("%s got no answer: %v", ref, err))
		}
		return
	}
	c.r.count("answers", res.StatusCode)
	switch res.StatusCode {
	case http.StatusOK:
		c.r.took(time.Since(began))
		c.judge(a, whole, res.Header.Get("Eigenserve-Variant"), raw)
	case http.StatusNotFound:
		if whole && !c.w.claims.absent(ref, a.began, a.ended) || !whole && c.stood(a) {
			c.r.wrong("%s: not found, though it was there all the time", ref)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		c.r.wrong("%s: status %d: %.200s", ref, res.StatusCode, raw)
	}
}

// reference chooses what to ask: a name, or (not whole) one with a digest.
func (c *chaos) reference(r *rand.Rand) (ref string, whole bool) {
	name := c.names[r.IntN(len(c.names))]
	if r.IntN(8) > 0 || strings.HasPrefix(name, "alias") {
		return name, true
	}
	if digest := c.w.claims.current(name); digest != "" {
		return name + "@" + digest[:8+r.IntN(57)], false
	}
	return name, true
}

// stood tells whether what a reference with a digest asks for was there all the time.
func (c *chaos) stood(a answered) bool {
	name, prefix, _ := strings.Cut(a.asked, "@")
	digest := c.w.claims.current(name)
	return strings.HasPrefix(digest, prefix) && c.w.claims.stood(name, digest, a.began, a.ended)
}

// judge holds an answer against the claims, and its logits against those that its
// digest is to have.
func (c *chaos) judge(a answered, whole bool, variant string, raw []byte) {
	model, digest, _ := strings.Cut(variant, "@")
	a.model, a.digest = model, digest
	if json.Unmarshal(raw, &a.scores) != nil || len(a.scores) == 0 {
		c.r.wrong("%s: no scores: %.200s", a.asked, raw)
		return
	}
	v := wrongAnswer
	switch name, prefix, _ := strings.Cut(a.asked, "@"); {
	case !whole: // any version that was ever there
		if model == name && strings.HasPrefix(digest, prefix) {
			v = rightAnswer
		}
	case strings.HasPrefix(name, "alias"):
		v = c.w.claims.judgeAlias(name, model, a)
	case model == name:
		v = c.w.claims.judge(name, a)
	}
	switch v {
	case wrongAnswer:
		c.r.wrong("%s was answered by %.40s, which it did not stand for", a.asked, variant)
	case rightAnswer:
		c.hold(a)
	}
}

// hold compares an answer's logits with the reference's.
func (c *chaos) hold(a answered) {
	if len(a.scores) == 0 { // a look at the catalogue
		return
	}
	want, ok := c.w.expected.of(a.digest)
	if !ok { // of a change that was cut off, whose file nobody has seen yet
		if err := c.w.expectStored(a.digest); err != nil {
			c.r.skipped(err)
			return
		}
		want, _ = c.w.expected.of(a.digest)
	}
	c.r.held(a, want)
}

// post sends a request and reads all of the answer.
func (c *client) post(ctx context.Context, path string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, raw, err
}

// unanswered counts a request without an answer, which only a server that was
// killed meanwhile may leave.
func (c *chaos) unanswered(deaths int64, what string) {
	if c.w.server.excused(deaths) {
		c.r.count("cut off by a kill", 0)
		return
	}
	c.r.wrong("%s", what)
}

// dial opens a plain connection to the server; nil when there is none.
func (c *chaos) dial(ctx context.Context) net.Conn {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", strings.TrimPrefix(c.w.server.life.Load().base, "http://"))
	if err != nil {
		return nil
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// slow is a client that sends its request a few bytes at a time, or takes its
// answer so. It gets a right answer or is thrown out; others don't wait for it.
func (c *chaos) slow(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.r.count("slow clients", 0)
	body := c.w.bodies[0]
	text := fmt.Sprintf("POST /v1/models/%s/classify HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.w.names.fitted[0], conn.RemoteAddr(), len(body), body)
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
func (c *chaos) hangUp(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.r.count("cut connections", 0)
	body := c.w.bodies[r.IntN(len(c.w.bodies))]
	text := fmt.Sprintf("POST /v1/models/%s/classify HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.names[r.IntN(len(c.names))], conn.RemoteAddr(), len(body), body)
	if r.IntN(2) == 0 {
		text = text[:r.IntN(len(text))]
	}
	_, _ = io.WriteString(conn, text)
	pause(ctx, time.Duration(r.IntN(10))*time.Millisecond)
}

func pause(ctx context.Context, d time.Duration) { _ = sleepUntil(ctx, time.Now().Add(d)) }
