package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"eigenserve/cmd/internal/client"
	"eigenserve/runtime"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// changeModel adds, replaces, deletes or breaks one of the live models.
func (c *run) changeModel(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.live[r.IntN(len(c.env.names.live))]
	reg := c.env.history.registers[name]
	reg.writing.Lock()
	defer reg.writing.Unlock()
	switch n := r.IntN(20); {
	case n < 11:
		c.putModel(ctx, r, name)
	case n < 13:
		c.putBroken(ctx, r, name)
	case n < 17:
		c.sendAndRecord(ctx, "deletes", name, c.env.history.begin(name, ""), http.MethodDelete, nil)
	default:
		c.uploadCheckpoint(ctx, r, name)
	}
}

// putModel uploads a new variant file.
func (c *run) putModel(ctx context.Context, r *rand.Rand, name string) {
	file, err := c.env.makeVariant(r, r.IntN(4)/3)
	if err != nil {
		c.report.internalError(err)
		return
	}
	what := "replacements"
	if c.env.history.latest(name) == "" {
		what = "hot-adds"
	}
	c.sendAndRecord(ctx, what, name, c.env.history.begin(name, store.Digest(file)), http.MethodPut, file)
}

// sendAndRecord sends a write of a model and records its outcome. It is called with the
// register's writing held.
func (c *run) sendAndRecord(ctx context.Context, what, name string, w *write, method string, body []byte) {
	epoch := c.env.server.epoch.Load()
	var info runtime.VariantInfo
	status, err := sendModel(ctx, c.env.server.current.Load().Client, method, name, body, &info)
	c.report.count(what, status)
	if err == nil {
		c.acknowledged(name, w, info)
		return
	}
	if c.checkRefusal(ctx, what+" "+name, w, epoch, status, err) {
		c.reconcile(ctx, name, epoch)
	}
}

// sendModel sends a write of a model.
func sendModel(ctx context.Context, c *client.Client, method, name string, body []byte, info *runtime.VariantInfo) (int, error) {
	path := "/v1/models/" + name
	if method == http.MethodDelete {
		return c.Call(ctx, method, path, "application/octet-stream", nil, nil)
	}
	return c.Call(ctx, method, path, "application/octet-stream", bytes.NewReader(body), info)
}

// checkRefusal checks the answer to a write of an epoch that was not acknowledged. It
// reports whether the write may have had an effect that the server can be asked for.
func (c *run) checkRefusal(ctx context.Context, what string, w *write, epoch int64, status int, err error) (ask bool) {
	switch {
	case status >= 400 && status < 500:
		c.report.violationIf(w.abort())
		return false
	case status == 0:
		if ctx.Err() == nil && !c.env.server.killedSince(epoch) {
			c.report.violation("%s: no answer: %v", what, err)
		}
		return false // checked after the restart
	case status == http.StatusServiceUnavailable:
	case status == http.StatusInsufficientStorage && c.diskMayBeFull():
	default:
		c.report.violation("%s: status %d: %v", what, status, err)
	}
	return true
}

// acknowledged records a write that the server has acknowledged.
func (c *run) acknowledged(name string, w *write, info runtime.VariantInfo) {
	if w.outcome.unknown && info.Digest != "" {
		if err := c.env.addStored(info.Digest); err != nil {
			c.report.violation("%s was acknowledged as %.12s: %v", name, info.Digest, err)
		}
		w.commit(info.Digest, info.Version)
		c.judgePending(name)
		return
	}
	digest := w.outcome.value
	if digest != "" && digest != info.Digest && info.Name != "" {
		c.report.violation("%s was acknowledged as %.12s, but its file is %.12s", name, info.Digest, digest)
	}
	w.commit(digest, info.Version)
}

// judgePending checks the answers that could not be judged before a write of the name
// was acknowledged.
func (c *run) judgePending(name string) {
	right, wrong := c.env.history.judgePending(name)
	for _, a := range right {
		c.compareLogits(a)
	}
	for _, a := range wrong {
		c.report.violation("%s was answered by %s@%.12s, which nobody wrote", a.ref, a.model, a.digest)
	}
}

// reconcile asks for a model's value after a write that failed half way, and records it.
// It is called with the register's writing held.
func (c *run) reconcile(ctx context.Context, name string, epoch int64) {
	digest, version, err := c.lookUp(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(epoch, err.Error())
		}
		return
	}
	c.report.violationIf(c.env.history.reconcile(name, digest, version, false))
	c.judgePending(name)
}

// lookUp asks the server for a model's digest, "" if there is no such model.
func (c *run) lookUp(ctx context.Context, name string) (digest string, version int, err error) {
	var info runtime.VariantInfo
	status, err := c.env.server.current.Load().Call(ctx, http.MethodGet, "/v1/models/"+name, "", nil, &info)
	if status == http.StatusNotFound {
		return "", 0, nil
	}
	return info.Digest, info.Version, err
}

// putBroken uploads a damaged variant file, which must have no effect.
func (c *run) putBroken(ctx context.Context, r *rand.Rand, name string) {
	file, err := c.env.makeVariant(r, 0)
	if err != nil {
		c.report.internalError(err)
		return
	}
	if r.IntN(2) == 0 {
		file = file[:r.IntN(len(file))]
	} else {
		file[r.IntN(16)] ^= 1 << r.IntN(8) // in the header's length or its first letters
	}
	w := c.env.history.begin(name, store.Digest(file))
	epoch := c.env.server.epoch.Load()
	status, err := sendModel(ctx, c.env.server.current.Load().Client, http.MethodPut, name, file, new(runtime.VariantInfo))
	c.report.count("broken files", status)
	if err == nil {
		c.report.violation("%s: a broken file was accepted", name)
	} else if status == 0 && ctx.Err() == nil {
		c.unanswered(epoch, err.Error())
	}
	c.report.violationIf(w.abort())
}

// uploadCheckpoint uploads a checkpoint, which the server makes a variant of.
func (c *run) uploadCheckpoint(ctx context.Context, r *rand.Rand, name string) {
	spare, err := checkpoint.Open(c.env.originals[fittedModels+r.IntN(spareCheckpoints)])
	if err != nil {
		c.report.violationIf(err)
		return
	}
	defer spare.Close()
	w, epoch := c.env.history.beginUnknown(name), c.env.server.epoch.Load()
	form := client.NewForm(spare)
	var info runtime.VariantInfo
	status, err := c.env.server.current.Load().Call(ctx, http.MethodPost, "/v1/families/"+familyName+"/models/"+name, form.ContentType, form, &info)
	form.Close()
	c.report.count("checkpoints", status)
	if err == nil {
		c.acknowledged(name, w, info)
		return
	}
	if c.checkRefusal(ctx, "checkpoint for "+name, w, epoch, status, err) {
		c.reconcile(ctx, name, epoch)
	} else if status != 0 {
		c.judgePending(name)
	}
}

// abortUpload sends a file and hangs up: half way, which must have no effect, or at the
// end, where it may have its full effect, now or later.
func (c *run) abortUpload(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.aborted[r.IntN(len(c.env.names.aborted))]
	reg := c.env.history.registers[name]
	reg.writing.Lock()
	defer reg.writing.Unlock()
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
	w := c.env.history.begin(name, store.Digest(file))
	fmt.Fprintf(conn, "PUT /v1/models/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", name, conn.RemoteAddr(), len(file))
	if r.IntN(2) == 0 {
		_, _ = conn.Write(file[:r.IntN(len(file))])
		conn.Close()
		pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
		c.report.violationIf(w.abort())
		return
	}
	_, _ = conn.Write(file)
	w.detach()
}

// pinModel pins or unpins a model's weights.
func (c *run) pinModel(ctx context.Context, r *rand.Rand) {
	epoch := c.env.server.epoch.Load()
	method := http.MethodPost
	if r.IntN(2) == 0 {
		method = http.MethodDelete
	}
	name := c.names[r.IntN(len(c.env.names.fitted)+len(c.env.names.live))]
	status, err := c.env.server.current.Load().Call(ctx, method, "/v1/models/"+name+"/pin", "", nil, nil)
	c.report.count("pins", status)
	if status == 0 && ctx.Err() == nil {
		c.unanswered(epoch, err.Error())
	} else if status >= 500 && status != http.StatusServiceUnavailable {
		c.report.violation("pin of %s: %v", name, err)
	}
}
