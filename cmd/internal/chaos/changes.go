package chaos

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

	"eigenserve/cmd/internal/client"
	"eigenserve/runtime"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// changeModel changes one of the models that clients own.
func (c *run) changeModel(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.live[r.IntN(len(c.env.names.live))]
	cl := c.env.history.registers[name]
	cl.writing.Lock()
	defer cl.writing.Unlock()
	switch n := r.IntN(20); {
	case n < 11:
		file, err := c.env.makeVariant(r, r.IntN(4)/3)
		if err != nil {
			c.report.internalError(err)
			return
		}
		what := "replacements"
		if c.env.history.latest(name) == "" {
			what = "hot-adds"
		}
		c.putModel(ctx, what, name, file)
	case n < 13:
		c.putBroken(ctx, r, name)
	case n < 17:
		c.sendAndRecord(ctx, "deletes", name, c.env.history.begin(name, ""), http.MethodDelete, "/v1/models/"+name, nil)
	default:
		c.uploadCheckpoint(ctx, r, name)
	}
}

// putModel adds a file, whose digest is known, under a name.
func (c *run) putModel(ctx context.Context, what, name string, file []byte) {
	c.sendAndRecord(ctx, what, name, c.env.history.begin(name, store.Digest(file)), http.MethodPut, "/v1/models/"+name, file)
}

// sendAndRecord makes one change by one request, and tells the claims what became of it.
// The caller holds the claim's changing.
func (c *run) sendAndRecord(ctx context.Context, what, name string, ch *write, method, path string, body []byte) {
	deaths := c.env.server.epoch.Load()
	var info runtime.VariantInfo
	status, err := sendChange(ctx, c.env.server.current.Load().Client, method, path, body, &info)
	c.report.count(what, status)
	switch {
	case err == nil:
		c.acknowledged(name, ch, info)
	case status >= 400 && status < 500:
		c.report.violationIf(ch.abort())
	case status == 0 && ctx.Err() == nil && !c.env.server.killedSince(deaths):
		c.report.violation("%s %s: no answer: %v", what, name, err)
	case status == 0: // it may have been done; who starts the server again sees
	default:
		c.checkFailure(what+" "+name, status, err)
		c.reconcile(ctx, name, deaths)
	}
}

// checkFailure judges a change that the server has answered with a fault: it may be
// busy, and have no room on a disk that was full.
func (c *run) checkFailure(what string, status int, err error) {
	if status != http.StatusServiceUnavailable && !(status == http.StatusInsufficientStorage && c.diskMayBeFull()) {
		c.report.violation("%s: status %d: %v", what, status, err)
	}
}

// acknowledged is told of a change that the server has answered with success.
func (c *run) acknowledged(name string, ch *write, info runtime.VariantInfo) {
	if ch.value.unknown && info.Digest != "" {
		if err := c.env.addStored(info.Digest); err != nil {
			c.report.violation("%s was acknowledged as %.12s: %v", name, info.Digest, err)
		}
		ch.commit(info.Digest, info.Version)
		c.judgePending(name)
		return
	}
	if ch.value.value != "" && ch.value.value != info.Digest && info.Name != "" {
		c.report.violation("%s was acknowledged as %.12s, not as the file's own %.12s", name, info.Digest, ch.value.value)
	}
	ch.commit(ch.value.value, info.Version)
}

// judgePending judges the answers that came while a change was under way which had
// yet to say what it makes.
func (c *run) judgePending(name string) {
	right, wrong := c.env.history.judgePending(name)
	for _, a := range right {
		c.compareLogits(a)
	}
	for _, a := range wrong {
		c.report.violation("%s was answered by %s@%.12s, which no change has made", a.ref, a.model, a.digest)
	}
}

// sendChange sends a request that changes something.
func sendChange(ctx context.Context, c *client.Client, method, path string, body []byte, out any) (int, error) {
	if method == http.MethodDelete {
		out = nil
	}
	return c.Call(ctx, method, path, "application/octet-stream", readerOf(body), out)
}

// reconcile looks what a name stands for after a change that failed half way, and
// settles it. The caller holds the claim's changing.
func (c *run) reconcile(ctx context.Context, name string, deaths int64) {
	digest, version, err := c.lookUp(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
		}
		return
	}
	c.report.violationIf(c.env.history.reconcile(name, digest, version, false))
	c.judgePending(name)
}

// lookUp asks the server what a model's name stands for: "" for nothing.
func (c *run) lookUp(ctx context.Context, name string) (digest string, version int, err error) {
	var info runtime.VariantInfo
	status, err := c.env.server.current.Load().Call(ctx, http.MethodGet, "/v1/models/"+name, "", nil, &info)
	if status == http.StatusNotFound {
		return "", 0, nil
	}
	return info.Digest, info.Version, err
}

// putBroken puts what is no variant, or half of one, which must change nothing.
func (c *run) putBroken(ctx context.Context, r *rand.Rand, name string) {
	file, err := c.env.makeVariant(r, 0)
	if err != nil {
		c.report.internalError(err)
		return
	}
	if r.IntN(2) == 0 {
		file = file[:r.IntN(len(file))]
	} else {
		file[r.IntN(16)] ^= 1 << r.IntN(8) // the length of the header, or its first letters
	}
	ch := c.env.history.begin(name, store.Digest(file))
	deaths := c.env.server.epoch.Load()
	status, err := sendChange(ctx, c.env.server.current.Load().Client, http.MethodPut, "/v1/models/"+name, file, nil)
	c.report.count("broken files", status)
	if err == nil {
		c.report.violation("%s: a broken file was taken", name)
	} else if status == 0 && ctx.Err() == nil {
		c.unanswered(deaths, err.Error())
	}
	c.report.violationIf(ch.abort())
}

// uploadCheckpoint adds a checkpoint, of which the server makes a variant.
func (c *run) uploadCheckpoint(ctx context.Context, r *rand.Rand, name string) {
	spare, err := checkpoint.Open(c.env.originals[fittedModels+r.IntN(spareCheckpoints)])
	if err != nil {
		c.report.violationIf(err)
		return
	}
	defer spare.Close()
	ch, deaths := c.env.history.beginUnknown(name), c.env.server.epoch.Load()
	l := c.env.server.current.Load()
	path := "/v1/families/" + familyName + "/models/" + name
	body := client.NewForm(spare)
	var info runtime.VariantInfo
	status, err := l.Call(ctx, http.MethodPost, path, body.ContentType, body, &info)
	body.Close()
	c.report.count("checkpoints", status)
	switch {
	case err == nil:
		c.acknowledged(name, ch, info)
	case status >= 400 && status < 500:
		c.report.violationIf(ch.abort())
		c.judgePending(name)
	case status == 0:
		if ctx.Err() == nil && !c.env.server.killedSince(deaths) {
			c.report.violation("checkpoint for %s: no answer: %v", name, err)
		}
	default:
		c.checkFailure("checkpoint for "+name, status, err)
		c.reconcile(ctx, name, deaths)
	}
}

// abortUpload puts a file and hangs up: half way, which must leave nothing, or when
// all is sent, which may leave all of it, now or later.
func (c *run) abortUpload(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.cut[r.IntN(len(c.env.names.cut))]
	cl := c.env.history.registers[name]
	cl.writing.Lock()
	defer cl.writing.Unlock()
	file, err := c.env.makeVariant(r, r.IntN(4)/3)
	if err != nil {
		c.report.internalError(err)
		return
	}
	conn := c.dial(ctx)
	if conn == nil {
		return
	}
	defer conn.Close()
	c.report.count("cut uploads", 0)
	ch := c.env.history.begin(name, store.Digest(file))
	fmt.Fprintf(conn, "PUT /v1/models/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", name, conn.RemoteAddr(), len(file))
	if r.IntN(2) == 0 {
		_, _ = conn.Write(file[:r.IntN(len(file))])
		conn.Close()
		pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
		c.report.violationIf(ch.abort())
		return
	}
	_, _ = conn.Write(file)
	ch.detach()
}

// moveAlias moves an alias to one model, to several, to a version, or away.
func (c *run) moveAlias(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.aliases[r.IntN(len(c.env.names.aliases))]
	cl := c.env.history.registers[name]
	cl.writing.Lock()
	defer cl.writing.Unlock()
	path := "/v1/aliases/" + name
	if r.IntN(8) == 0 {
		c.sendAliasChange(ctx, name, "", func(l *instance) (int, error) { return l.Call(ctx, http.MethodDelete, path, "", nil, nil) })
		return
	}
	var targets []runtime.Target
	models := append(append([]string(nil), c.env.names.fitted...), c.env.names.live...)
	r.Shuffle(len(models), func(i, j int) { models[i], models[j] = models[j], models[i] })
	for _, model := range models[:1+r.IntN(3)] {
		t := runtime.Target{Model: model, Weight: r.IntN(20)}
		if digest := c.env.history.latest(model); digest != "" && r.IntN(2) == 0 {
			t.Version = c.env.history.versionOf(model, digest)
		}
		targets = append(targets, t)
	}
	targets[0].Weight = 80
	c.sendAliasChange(ctx, name, formatTargets(targets), func(l *instance) (int, error) {
		return l.Call(ctx, http.MethodPut, path, "application/json", jsonReader(map[string]any{"targets": targets}), nil)
	})
}

// sendAliasChange is call for aliases.
func (c *run) sendAliasChange(ctx context.Context, name, value string, send func(*instance) (int, error)) {
	ch, deaths := c.env.history.begin(name, value), c.env.server.epoch.Load()
	status, err := send(c.env.server.current.Load())
	c.report.count("alias moves", status)
	switch {
	case err == nil:
		ch.commit(value, 0)
	case status >= 400 && status < 500:
		c.report.violationIf(ch.abort())
	case status == 0:
		if ctx.Err() == nil && !c.env.server.killedSince(deaths) {
			c.report.violation("alias %s: no answer: %v", name, err)
		}
	default:
		c.checkFailure("alias "+name, status, err)
		c.reconcileAlias(ctx, name, deaths, false)
	}
}

// reconcileAlias settles what an alias stands for. The caller holds changing.
func (c *run) reconcileAlias(ctx context.Context, name string, deaths int64, restarted bool) {
	value, err := c.lookUpAlias(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
		}
		return
	}
	c.report.violationIf(c.env.history.reconcile(name, value, 0, restarted))
}

func (c *run) lookUpAlias(ctx context.Context, name string) (string, error) {
	var a runtime.Alias
	status, err := c.env.server.current.Load().Call(ctx, http.MethodGet, "/v1/aliases/"+url.PathEscape(name), "", nil, &a)
	if status == http.StatusNotFound {
		return "", nil
	}
	return formatTargets(a.Targets), err
}

// pinModel keeps a model's weights in the cache, or lets them go.
func (c *run) pinModel(ctx context.Context, r *rand.Rand) {
	deaths := c.env.server.epoch.Load()
	method := http.MethodPost
	if r.IntN(2) == 0 {
		method = http.MethodDelete
	}
	name := c.names[r.IntN(len(c.env.names.fitted)+len(c.env.names.live))]
	status, err := c.env.server.current.Load().Call(ctx, method, "/v1/models/"+name+"/pin", "", nil, nil)
	c.report.count("pins", status)
	if status == 0 && ctx.Err() == nil {
		c.unanswered(deaths, err.Error())
	} else if status >= 500 && status != http.StatusServiceUnavailable {
		c.report.violation("pin of %s: %v", name, err)
	}
}

// browse reads what people look at, which must work whatever else goes on.
func (c *run) browse(ctx context.Context, r *rand.Rand) {
	deaths, l := c.env.server.epoch.Load(), c.env.server.current.Load()
	paths := []string{"/v1/models?limit=3", "/v1/models?search=live&order=requests", "/v1/aliases", "/v1/families", "/v1/memory", "/metrics", "/v2/models/stats"}
	path := paths[r.IntN(len(paths))]
	res, err := l.Do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(deaths, err.Error())
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
