package chaos

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"

	"eigenserve/runtime"
)

// moveAlias makes an alias stand for a model, several models or a version, or removes
// it.
func (c *run) moveAlias(ctx context.Context, r *rand.Rand) {
	c.env.server.quiesce.RLock()
	defer c.env.server.quiesce.RUnlock()
	name := c.env.names.aliases[r.IntN(len(c.env.names.aliases))]
	reg := c.env.history.registers[name]
	reg.writing.Lock()
	defer reg.writing.Unlock()
	if r.IntN(8) == 0 {
		c.sendAlias(ctx, name, "", func(i *instance) (int, error) {
			return i.Call(ctx, http.MethodDelete, "/v1/aliases/"+name, "", nil, nil)
		})
		return
	}
	targets := c.randomTargets(r)
	c.sendAlias(ctx, name, formatTargets(targets), func(i *instance) (int, error) {
		return i.CallJSON(ctx, http.MethodPut, "/v1/aliases/"+name, map[string]any{"targets": targets}, nil)
	})
}

// randomTargets returns one to three models, some of them by version.
func (c *run) randomTargets(r *rand.Rand) []runtime.Target {
	models := slices.Concat(c.env.names.fitted, c.env.names.live)
	r.Shuffle(len(models), func(i, j int) { models[i], models[j] = models[j], models[i] })
	var targets []runtime.Target
	for _, model := range models[:1+r.IntN(3)] {
		t := runtime.Target{Model: model, Weight: r.IntN(20)}
		if digest := c.env.history.latest(model); digest != "" && r.IntN(2) == 0 {
			t.Version = c.env.history.versionOf(model, digest)
		}
		targets = append(targets, t)
	}
	targets[0].Weight = 80
	return targets
}

// sendAlias sends a write of an alias and records its outcome. It is called with the
// register's writing held.
func (c *run) sendAlias(ctx context.Context, name, value string, send func(*instance) (int, error)) {
	w, epoch := c.env.history.begin(name, value), c.env.server.epoch.Load()
	status, err := send(c.env.server.current.Load())
	c.report.count("alias moves", status)
	if err == nil {
		w.commit(value, 0)
		return
	}
	if c.checkRefusal(ctx, "alias "+name, w, epoch, status, err) {
		c.reconcileAlias(ctx, name, epoch, false)
	}
}

// reconcileAlias asks for an alias's targets and records them. It is called with the
// register's writing held.
func (c *run) reconcileAlias(ctx context.Context, name string, epoch int64, restarted bool) {
	value, err := c.lookUpAlias(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			c.unanswered(epoch, err.Error())
		}
		return
	}
	c.report.violationIf(c.env.history.reconcile(name, value, 0, restarted))
}

// lookUpAlias asks the server for an alias's targets, "" if there is no such alias.
func (c *run) lookUpAlias(ctx context.Context, name string) (string, error) {
	var a runtime.Alias
	status, err := c.env.server.current.Load().Call(ctx, http.MethodGet, "/v1/aliases/"+url.PathEscape(name), "", nil, &a)
	if status == http.StatusNotFound {
		return "", nil
	}
	return formatTargets(a.Targets), err
}
