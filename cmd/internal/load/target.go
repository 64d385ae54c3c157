package load

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"eigenserve/cmd/internal/client"
)

// target is a server under load, and what it is asked.
type target struct {
	client *client.Client
	models []servedModel
	images [][]byte   // bodies of requests
	sample *reservoir // keeps some answers to be checked; or nil
	// flying bounds the requests under way, one a connection. One that is due when
	// none is free is not sent and counts as failed: were it to wait, it would be
	// the generator's own queue that is measured.
	slots chan struct{}
}

// servedModel is a model, and the digest that its answers must name.
type servedModel struct{ name, digest, family string }

// newTarget makes one that is asked over at most so many connections, which are
// kept: opening one for each request would be measured with it.
func newTarget(c *client.Client, models []servedModel, images [][]byte, connections int) *target {
	c.HTTP.Transport = &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	c.HTTP.Timeout = 2 * time.Minute
	return &target{client: c, models: models, images: images, slots: make(chan struct{}, connections)}
}

// openLoop offers arrivals as they are due, and waits for none of them: a latency is
// counted from when its request was due, so that a server that stalls is charged
// for all who would have come meanwhile (no coordinated omission). What is due
// before the warm-up is over is asked but not counted.
func (t *target) openLoop(ctx context.Context, rate float64, warmup, span time.Duration, choose *popularity, seed uint64) (*stageStats, error) {
	out := newStageStats()
	var asked sync.WaitGroup
	began := time.Now()
	for a := range poisson(rate, warmup+span, choose, len(t.images), rand.New(rand.NewPCG(seed, 2))) {
		due := began.Add(a.due)
		if err := SleepUntil(ctx, due); err != nil {
			asked.Wait()
			return out, err
		}
		counted := a.due >= warmup
		select {
		case t.slots <- struct{}{}:
		default:
			if counted {
				out.add(result{problem: "not sent, as no connection was free"})
			}
			continue
		}
		asked.Go(func() {
			x := t.send(ctx, a, due)
			<-t.slots
			if counted {
				out.add(x)
			}
		})
	}
	asked.Wait()
	return out, ctx.Err()
}

func SleepUntil(ctx context.Context, due time.Time) error {
	left := time.Until(due)
	if left <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closedLoop keeps so many requests under way for a time, each after the one before
// it: what it gets answered is the capacity.
func (t *target) closedLoop(ctx context.Context, workers int, span time.Duration, choose *popularity, seed uint64) (*stageStats, time.Duration) {
	out, began := newStageStats(), time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+w)))
			for time.Since(began) < span && ctx.Err() == nil {
				x := t.send(ctx, arrival{model: choose.draw(r), image: r.IntN(len(t.images))}, time.Now())
				out.add(x)
				if x.status != http.StatusOK { // do not spin on refusals
					SleepUntil(ctx, time.Now().Add(20*time.Millisecond))
				}
			}
		})
	}
	all.Wait()
	return out, time.Since(began)
}

// send sends one request.
func (t *target) send(ctx context.Context, a arrival, due time.Time) result {
	m := t.models[a.model]
	res, err := t.client.Do(ctx, http.MethodPost, "/v1/models/"+url.PathEscape(m.name)+"/classify", "application/json", bytes.NewReader(t.images[a.image]))
	if err != nil {
		return result{latency: time.Since(due), problem: "no answer"}
	}
	raw, err := io.ReadAll(res.Body)
	res.Body.Close()
	x := result{status: res.StatusCode, latency: time.Since(due), weights: weightsFrom(res.Header.Get("Server-Timing"))}
	switch {
	case err != nil:
		x.status, x.problem = 0, "an answer that was cut off"
	case x.status != http.StatusOK:
		x.problem = res.Status
	default:
		x.problem = t.check(m, a, res.Header, raw)
	}
	return x
}

// check tells what is wrong with an answer, as far as it can be seen at once.
func (t *target) check(m servedModel, a arrival, h http.Header, raw []byte) string {
	if has := h.Get("Eigenserve-Variant"); has != url.PathEscape(m.name)+"@"+m.digest {
		return "an answer that names another variant"
	}
	var scores []LabelScore
	if json.Unmarshal(raw, &scores) != nil || len(scores) == 0 {
		return "an answer without scores"
	}
	if t.sample != nil {
		t.sample.add(sampledAnswer{a, scores})
	}
	return ""
}

var weightsPart = regexp.MustCompile(`weights;desc="?([a-z]+)`)

// weightsFrom reads which weights answered.
func weightsFrom(timing string) string {
	if found := weightsPart.FindStringSubmatch(timing); found != nil {
		return found[1]
	}
	return "unknown"
}
