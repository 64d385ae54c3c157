package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"eigenserve/runtime"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// change changes one of the models that clients own.
func (c *chaos) change(ctx context.Context, r *rand.Rand) {
	c.w.server.lock.RLock()
	defer c.w.server.lock.RUnlock()
	name := c.w.names.live[r.IntN(len(c.w.names.live))]
	cl := c.w.claims.names[name]
	cl.changing.Lock()
	defer cl.changing.Unlock()
	switch n := r.IntN(20); {
	case n < 11:
		file, err := c.w.make(r, r.IntN(4)/3)
		if err != nil {
			c.r.fault(err)
			return
		}
		what := "replacements"
		if c.w.claims.current(name) == "" {
			what = "hot-adds"
		}
		c.put(ctx, what, name, file)
	case n < 13:
		c.putBroken(ctx, r, name)
	case n < 17:
		c.call(ctx, "deletes", name, c.w.claims.begin(name, ""), http.MethodDelete, "/v1/models/"+name, nil)
	default:
		c.upload(ctx, r, name)
	}
}

// put adds a file, whose digest is known, under a name.
func (c *chaos) put(ctx context.Context, what, name string, file []byte) {
	c.call(ctx, what, name, c.w.claims.begin(name, store.Digest(file)), http.MethodPut, "/v1/models/"+name, file)
}

// call makes one change by one request, and tells the claims what became of it.
// The caller holds the claim's changing.
func (c *chaos) call(ctx context.Context, what, name string, ch *change, method, path string, body []byte) {
	deaths := c.w.server.deaths.Load()
	var info runtime.VariantInfo
	status, err := c.w.server.life.Load().change(ctx, method, path, body, &info)
	c.r.count(what, status)
	switch {
	case err == nil:
		c.acknowledged(name, ch, info)
	case status >= 400 && status < 500:
		c.r.check(ch.refused())
	case status == 0 && ctx.Err() == nil && !c.w.server.excused(deaths):
		c.r.wrong("%s %s: no answer: %v", what, name, err)
	case status == 0: // it may have been done; who starts the server again sees
	default:
		c.failed(what+" "+name, status, err)
		c.observe(ctx, name, deaths)
	}
}

// failed judges a change that the server has answered with a fault: it may be
// busy, and have no room on a disk that was full.
func (c *chaos) failed(what string, status int, err error) {
	if status != http.StatusServiceUnavailable && !(status == http.StatusInsufficientStorage && c.diskWasFull()) {
		c.r.wrong("%s: status %d: %v", what, status, err)
	}
}

// acknowledged is told of a change that the server has answered with success.
func (c *chaos) acknowledged(name string, ch *change, info runtime.VariantInfo) {
	if ch.to.opaque && info.Digest != "" {
		if err := c.w.expectStored(info.Digest); err != nil {
			c.r.wrong("%s was acknowledged as %.12s: %v", name, info.Digest, err)
		}
		ch.done(info.Digest, info.Version)
		c.judgeLater(name)
		return
	}
	if ch.to.value != "" && ch.to.value != info.Digest && info.Name != "" {
		c.r.wrong("%s was acknowledged as %.12s, not as the file's own %.12s", name, info.Digest, ch.to.value)
	}
	ch.done(ch.to.value, info.Version)
}

// judgeLater judges the answers that came while a change was under way which had
// yet to say what it makes.
func (c *chaos) judgeLater(name string) {
	right, wrong := c.w.claims.judgeLater(name)
	for _, a := range right {
		c.hold(a)
	}
	for _, a := range wrong {
		c.r.wrong("%s was answered by %s@%.12s, which no change has made", a.asked, a.model, a.digest)
	}
}

// change sends a request that changes something.
func (c *client) change(ctx context.Context, method, path string, body []byte, out any) (int, error) {
	if method == http.MethodDelete {
		out = nil
	}
	return c.call(ctx, method, path, "application/octet-stream", readerOf(body), out)
}

// observe looks what a name stands for after a change that failed half way, and
// settles it. The caller holds the claim's changing.
func (c *chaos) observe(ctx context.Context, name string, deaths int64) {
	digest, version, err := c.look(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
		}
		return
	}
	c.r.check(c.w.claims.settle(name, digest, version, false))
	c.judgeLater(name)
}

// look asks the server what a model's name stands for: "" for nothing.
func (c *chaos) look(ctx context.Context, name string) (digest string, version int, err error) {
	var info runtime.VariantInfo
	status, err := c.w.server.life.Load().call(ctx, http.MethodGet, "/v1/models/"+name, "", nil, &info)
	if status == http.StatusNotFound {
		return "", 0, nil
	}
	return info.Digest, info.Version, err
}

// putBroken puts what is no variant, or half of one, which must change nothing.
func (c *chaos) putBroken(ctx context.Context, r *rand.Rand, name string) {
	file, err := c.w.make(r, 0)
	if err != nil {
		c.r.fault(err)
		return
	}
	if r.IntN(2) == 0 {
		file = file[:r.IntN(len(file))]
	} else {
		file[r.IntN(16)] ^= 1 << r.IntN(8) // the length of the header, or its first letters
	}
	ch := c.w.claims.begin(name, store.Digest(file))
	deaths := c.w.server.deaths.Load()
	status, err := c.w.server.life.Load().change(ctx, http.MethodPut, "/v1/models/"+name, file, nil)
	c.r.count("broken files", status)
	if err == nil {
		c.r.wrong("%s: a broken file was taken", name)
	} else if status == 0 && ctx.Err() == nil {
		c.unanswered(deaths, err.Error())
	}
	c.r.check(ch.refused())
}

// upload adds a checkpoint, of which the server makes a variant.
func (c *chaos) upload(ctx context.Context, r *rand.Rand, name string) {
	spare, err := checkpoint.Open(c.w.originals[chaosFitted+r.IntN(chaosSpare)])
	if err != nil {
		c.r.check(err)
		return
	}
	defer spare.Close()
	ch, deaths := c.w.claims.beginOpaque(name), c.w.server.deaths.Load()
	l := c.w.server.life.Load()
	path := "/v1/families/" + chaosFamily + "/models/" + name
	body := newForm(spare)
	var info runtime.VariantInfo
	status, err := l.call(ctx, http.MethodPost, path, body.contentType, body, &info)
	body.Close()
	c.r.count("checkpoints", status)
	switch {
	case err == nil:
		c.acknowledged(name, ch, info)
	case status >= 400 && status < 500:
		c.r.check(ch.refused())
		c.judgeLater(name)
	case status == 0:
		if ctx.Err() == nil && !c.w.server.excused(deaths) {
			c.r.wrong("checkpoint for %s: no answer: %v", name, err)
		}
	default:
		c.failed("checkpoint for "+name, status, err)
		c.observe(ctx, name, deaths)
	}
}

// cutOff puts a file and hangs up: half way, which must leave nothing, or when
// all is sent, which may leave all of it, now or later.
func (c *chaos) cutOff(ctx context.Context, r *rand.Rand) {
	c.w.server.lock.RLock()
	defer c.w.server.lock.RUnlock()
	name := c.w.names.cut[r.IntN(len(c.w.names.cut))]
	cl := c.w.claims.names[name]
	cl.changing.Lock()
	defer cl.changing.Unlock()
	file, err := c.w.make(r, r.IntN(4)/3)
	if err != nil {
		c.r.fault(err)
		return
	}
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.r.count("cut uploads", 0)
	ch := c.w.claims.begin(name, store.Digest(file))
	fmt.Fprintf(conn, "PUT /v1/models/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", name, conn.RemoteAddr(), len(file))
	if r.IntN(2) == 0 {
		_, _ = conn.Write(file[:r.IntN(len(file))])
		conn.Close()
		pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
		c.r.check(ch.refused())
		return
	}
	_, _ = conn.Write(file)
	ch.abandoned()
}

// moveAlias moves an alias to one model, to several, to a version, or away.
func (c *chaos) moveAlias(ctx context.Context, r *rand.Rand) {
	c.w.server.lock.RLock()
	defer c.w.server.lock.RUnlock()
	name := c.w.names.aliases[r.IntN(len(c.w.names.aliases))]
	cl := c.w.claims.names[name]
	cl.changing.Lock()
	defer cl.changing.Unlock()
	path := "/v1/aliases/" + name
	if r.IntN(8) == 0 {
		c.aliasCall(ctx, name, "", func(l *life) (int, error) { return l.call(ctx, http.MethodDelete, path, "", nil, nil) })
		return
	}
	var targets []runtime.Target
	models := append(append([]string(nil), c.w.names.fitted...), c.w.names.live...)
	r.Shuffle(len(models), func(i, j int) { models[i], models[j] = models[j], models[i] })
	for _, model := range models[:1+r.IntN(3)] {
		t := runtime.Target{Model: model, Weight: r.IntN(20)}
		if digest := c.w.claims.current(model); digest != "" && r.IntN(2) == 0 {
			t.Version = c.w.claims.newest(model, digest)
		}
		targets = append(targets, t)
	}
	targets[0].Weight = 80
	c.aliasCall(ctx, name, targetsValue(targets), func(l *life) (int, error) {
		return l.call(ctx, http.MethodPut, path, "application/json", jsonReader(map[string]any{"targets": targets}), nil)
	})
}

// aliasCall is call for aliases.
func (c *chaos) aliasCall(ctx context.Context, name, value string, send func(*life) (int, error)) {
	ch, deaths := c.w.claims.begin(name, value), c.w.server.deaths.Load()
	status, err := send(c.w.server.life.Load())
	c.r.count("alias moves", status)
	switch {
	case err == nil:
		ch.done(value, 0)
	case status >= 400 && status < 500:
		c.r.check(ch.refused())
	case status == 0:
		if ctx.Err() == nil && !c.w.server.excused(deaths) {
			c.r.wrong("alias %s: no answer: %v", name, err)
		}
	default:
		c.failed("alias "+name, status, err)
		c.observeAlias(ctx, name, deaths, false)
	}
}

// observeAlias settles what an alias stands for. The caller holds changing.
func (c *chaos) observeAlias(ctx context.Context, name string, deaths int64, restarted bool) {
	value, err := c.lookAlias(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
		}
		return
	}
	c.r.check(c.w.claims.settle(name, value, 0, restarted))
}

func (c *chaos) lookAlias(ctx context.Context, name string) (string, error) {
	var a runtime.Alias
	status, err := c.w.server.life.Load().call(ctx, http.MethodGet, "/v1/aliases/"+url.PathEscape(name), "", nil, &a)
	if status == http.StatusNotFound {
		return "", nil
	}
	return targetsValue(a.Targets), err
}

// pin keeps a model's weights in the cache, or lets them go.
func (c *chaos) pin(ctx context.Context, r *rand.Rand) {
	deaths := c.w.server.deaths.Load()
	method := http.MethodPost
	if r.IntN(2) == 0 {
		method = http.MethodDelete
	}
	name := c.names[r.IntN(len(c.w.names.fitted)+len(c.w.names.live))]
	status, err := c.w.server.life.Load().call(ctx, method, "/v1/models/"+name+"/pin", "", nil, nil)
	c.r.count("pins", status)
	if status == 0 && ctx.Err() == nil {
		c.unanswered(deaths, err.Error())
	} else if status >= 500 && status != http.StatusServiceUnavailable {
		c.r.wrong("pin of %s: %v", name, err)
	}
}

// browse reads what people look at, which must work whatever else goes on.
func (c *chaos) browse(ctx context.Context, r *rand.Rand) {
	deaths, l := c.w.server.deaths.Load(), c.w.server.life.Load()
	paths := []string{"/v1/models?limit=3", "/v1/models?search=live&order=requests", "/v1/aliases", "/v1/families", "/v1/memory", "/metrics", "/v2/models/stats"}
	path := paths[r.IntN(len(paths))]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base+path, nil)
	if err != nil {
		c.r.fault(err)
		return
	}
	res, err := l.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
		}
		return
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	c.r.count("views", res.StatusCode)
	if err == nil && res.StatusCode != http.StatusOK {
		c.r.wrong("%s: status %d", path, res.StatusCode)
	}
}

func readerOf(body []byte) io.Reader {
	if body == nil {
		return nil
	}
	return bytes.NewReader(body)
}

func jsonReader(v any) io.Reader {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return bytes.NewReader(raw)
}
