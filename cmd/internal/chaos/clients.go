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

// read is a request for a model or an alias and its answer.
type read struct {
	ref          string // what was asked for
	model        string // what answered
	digest       string
	image        int
	scores       []load.LabelScore
	began, ended int64 // ticks of the history
}

// readOnce asks a model to classify an image and checks the answer.
func (c *run) readOnce(ctx context.Context, r *rand.Rand) {
	ref, byName := c.reference(r)
	a := read{ref: ref, image: r.IntN(len(c.env.requests)), began: c.env.history.tick()}
	epoch, start := c.env.server.epoch.Load(), time.Now()
	res, raw, err := post(ctx, c.env.server.current.Load().Client, "/v1/models/"+url.PathEscape(ref)+"/classify", c.env.requests[a.image])
	a.ended = c.env.history.tick()
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(epoch, fmt.Sprintf("%s got no answer: %v", ref, err))
		}
		return
	}
	c.report.count("answers", res.StatusCode)
	switch res.StatusCode {
	case http.StatusOK:
		c.report.observeLatency(time.Since(start))
		c.checkAnswer(a, byName, res.Header.Get("Eigenserve-Variant"), raw)
	case http.StatusNotFound:
		if byName && !c.env.history.mayBeAbsent(ref, a.began, a.ended) || !byName && c.wasPresent(a) {
			c.report.violation("%s: not found, though it was there all the time", ref)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		c.report.violation("%s: status %d: %.200s", ref, res.StatusCode, raw)
	}
}

// reference returns what to ask for: a name, or (byName false) a name with a digest.
func (c *run) reference(r *rand.Rand) (ref string, byName bool) {
	name := c.names[r.IntN(len(c.names))]
	if r.IntN(8) > 0 || strings.HasPrefix(name, "alias") {
		return name, true
	}
	if digest := c.env.history.latest(name); digest != "" {
		return name + "@" + digest[:8+r.IntN(57)], false
	}
	return name, true
}

// wasPresent reports whether the digest that a read asked for was there all the time.
func (c *run) wasPresent(a read) bool {
	name, prefix, _ := strings.Cut(a.ref, "@")
	digest := c.env.history.latest(name)
	return strings.HasPrefix(digest, prefix) && c.env.history.heldThroughout(name, digest, a.began, a.ended)
}

// checkAnswer checks an answer against the history, and its logits against the
// reference.
func (c *run) checkAnswer(a read, byName bool, variant string, raw []byte) {
	model, digest, _ := strings.Cut(variant, "@")
	a.model, a.digest = model, digest
	if json.Unmarshal(raw, &a.scores) != nil || len(a.scores) == 0 {
		c.report.violation("%s: no scores: %.200s", a.ref, raw)
		return
	}
	v := invalid
	switch name, prefix, _ := strings.Cut(a.ref, "@"); {
	case !byName: // any version that ever was may answer
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
		c.report.violation("%s was answered by %.40s, which it was not at the time", a.ref, variant)
	case valid:
		c.compareLogits(a)
	}
}

// compareLogits compares an answer's logits with the reference's.
func (c *run) compareLogits(a read) {
	if len(a.scores) == 0 { // not an answer to classify
		return
	}
	want, ok := c.env.reference.of(a.digest)
	if !ok { // from an aborted write, whose file is only in the store
		if err := c.env.addStored(a.digest); err != nil {
			c.report.skip()
			return
		}
		want, _ = c.env.reference.of(a.digest)
	}
	c.report.compareLogits(a, want)
}

// post sends a JSON request and reads the whole answer.
func post(ctx context.Context, c *client.Client, path string, body []byte) (*http.Response, []byte, error) {
	res, err := c.Do(ctx, http.MethodPost, path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, raw, err
}

// unanswered counts a request of an epoch that got no answer: a violation, unless the
// server was killed meanwhile.
func (c *run) unanswered(epoch int64, what string) {
	if c.env.server.killedSince(epoch) {
		c.report.count("cut off by a kill", 0)
		return
	}
	c.report.violation("%s", what)
}

// dialTimeout and connTimeout bound what clients do on plain connections.
const (
	dialTimeout = 5 * time.Second
	connTimeout = 20 * time.Second
)

// dial opens a plain connection to the server. It returns nil if there is none.
func (c *run) dial(ctx context.Context) net.Conn {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", strings.TrimPrefix(c.env.server.current.Load().BaseURL, "http://"))
	if err != nil {
		return nil
	}
	conn.SetDeadline(time.Now().Add(connTimeout))
	return conn
}

// classifyText returns a request to classify as text.
func classifyText(conn net.Conn, model string, body []byte) string {
	return fmt.Sprintf("POST /v1/models/%s/classify HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		model, conn.RemoteAddr(), len(body), body)
}

// slowClient sends a request a few bytes at a time and reads the answer likewise. It
// may be answered or cut off; other clients must not wait for it.
func (c *run) slowClient(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.report.count("slow clients", 0)
	text := classifyText(conn, c.env.names.fitted[0], c.env.requests[0])
	for at := 0; at < len(text) && ctx.Err() == nil; {
		n := min(1+r.IntN(len(text)/16), len(text)-at)
		if _, err := io.WriteString(conn, text[at:at+n]); err != nil {
			return
		}
		at += n
		pause(ctx, time.Duration(r.IntN(200))*time.Millisecond)
	}
	buffer := make([]byte, 16)
	for ctx.Err() == nil {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		pause(ctx, time.Duration(r.IntN(50))*time.Millisecond)
	}
}

// hangUp closes a connection in the middle of a request, or before the answer.
func (c *run) hangUp(ctx context.Context, r *rand.Rand) {
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.report.count("cut connections", 0)
	body := c.env.requests[r.IntN(len(c.env.requests))]
	text := classifyText(conn, c.names[r.IntN(len(c.names))], body)
	if r.IntN(2) == 0 {
		text = text[:r.IntN(len(text))]
	}
	_, _ = io.WriteString(conn, text)
	pause(ctx, time.Duration(r.IntN(10))*time.Millisecond)
}

// browse reads what people look at. It must work whatever else is going on.
func (c *run) browse(ctx context.Context, r *rand.Rand) {
	epoch, server := c.env.server.epoch.Load(), c.env.server.current.Load()
	paths := []string{"/v1/models?limit=3", "/v1/models?search=live&order=requests", "/v1/aliases", "/v1/families", "/v1/memory", "/metrics", "/v2/models/stats"}
	path := paths[r.IntN(len(paths))]
	res, err := server.Do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(epoch, err.Error())
		}
		return
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	c.report.count("views", res.StatusCode)
	if err == nil && res.StatusCode != http.StatusOK {
		c.report.violation("%s: status %d", path, res.StatusCode)
	}
}
