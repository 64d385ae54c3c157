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
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// target is a server under load, and what it is asked.
type target struct {
	client *client
	models []askedModel
	images [][]byte // bodies of requests
	sample *sampler // keeps some answers to be checked; or nil
	// flying bounds the requests under way, one a connection. One that is due when
	// none is free is not sent and counts as failed: were it to wait, it would be
	// the generator's own queue that is measured.
	flying chan struct{}
}

// askedModel is a model, and the digest that its answers must name.
type askedModel struct{ name, digest, family string }

// newTarget makes one that is asked over at most so many connections, which are
// kept: opening one for each request would be measured with it.
func newTarget(c *client, models []askedModel, images [][]byte, connections int) *target {
	c.http.Transport = &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	c.http.Timeout = 2 * time.Minute
	return &target{client: c, models: models, images: images, flying: make(chan struct{}, connections)}
}

// open offers arrivals as they are due, and waits for none of them: a latency is
// counted from when its request was due, so that a server that stalls is charged
// for all who would have come meanwhile (no coordinated omission). What is due
// before the warm-up is over is asked but not counted.
func (t *target) open(ctx context.Context, rate float64, warmup, span time.Duration, choose *popularity, seed uint64) (*outcomes, error) {
	out := newOutcomes()
	var asked sync.WaitGroup
	began := time.Now()
	for a := range poisson(rate, warmup+span, choose, len(t.images), rand.New(rand.NewPCG(seed, 2))) {
		due := began.Add(a.due)
		if err := sleepUntil(ctx, due); err != nil {
			asked.Wait()
			return out, err
		}
		counted := a.due >= warmup
		select {
		case t.flying <- struct{}{}:
		default:
			if counted {
				out.add(outcome{wrong: "not sent, as no connection was free"})
			}
			continue
		}
		asked.Go(func() {
			x := t.ask(ctx, a, due)
			<-t.flying
			if counted {
				out.add(x)
			}
		})
	}
	asked.Wait()
	return out, ctx.Err()
}

func sleepUntil(ctx context.Context, due time.Time) error {
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

// closed keeps so many requests under way for a time, each after the one before
// it: what it gets answered is the capacity.
func (t *target) closed(ctx context.Context, workers int, span time.Duration, choose *popularity, seed uint64) (*outcomes, time.Duration) {
	out, began := newOutcomes(), time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+w)))
			for time.Since(began) < span && ctx.Err() == nil {
				x := t.ask(ctx, arrival{model: choose.draw(r), image: r.IntN(len(t.images))}, time.Now())
				out.add(x)
				if x.status != http.StatusOK { // do not spin on refusals
					sleepUntil(ctx, time.Now().Add(20*time.Millisecond))
				}
			}
		})
	}
	all.Wait()
	return out, time.Since(began)
}

// ask sends one request.
func (t *target) ask(ctx context.Context, a arrival, due time.Time) outcome {
	m := t.models[a.model]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.client.base+"/v1/models/"+url.PathEscape(m.name)+"/classify", bytes.NewReader(t.images[a.image]))
	if err != nil {
		return outcome{wrong: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	if t.client.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.client.token)
	}
	res, err := t.client.http.Do(req)
	if err != nil {
		return outcome{took: time.Since(due), wrong: "no answer"}
	}
	raw, err := io.ReadAll(res.Body)
	res.Body.Close()
	x := outcome{status: res.StatusCode, took: time.Since(due), weights: weightsOf(res.Header.Get("Server-Timing"))}
	switch {
	case err != nil:
		x.status, x.wrong = 0, "an answer that was cut off"
	case x.status != http.StatusOK:
		x.wrong = res.Status
	default:
		x.wrong = t.check(m, a, res.Header, raw)
	}
	return x
}

// check tells what is wrong with an answer, as far as it can be seen at once.
func (t *target) check(m askedModel, a arrival, h http.Header, raw []byte) string {
	if has := h.Get("Eigenserve-Variant"); has != url.PathEscape(m.name)+"@"+m.digest {
		return "an answer that names another variant"
	}
	var scores []labelScore
	if json.Unmarshal(raw, &scores) != nil || len(scores) == 0 {
		return "an answer without scores"
	}
	if t.sample != nil {
		t.sample.offer(sampled{a, scores})
	}
	return ""
}

// labelScore is one entry of an answer.
type labelScore struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

var weightsPart = regexp.MustCompile(`weights;desc="?([a-z]+)`)

// weightsOf reads which weights answered.
func weightsOf(timing string) string {
	if found := weightsPart.FindStringSubmatch(timing); found != nil {
		return found[1]
	}
	return "unknown"
}

// memorySamples are what the server's account said while it was under load.
type memorySamples struct {
	Samples int   `json:"samples"`
	Max     int64 `json:"max_rss_bytes"`
	Limit   int64 `json:"limit_bytes,omitempty"`
	Over    int   `json:"over_limit"`
	Slabs   int64 `json:"max_slabs_bytes"`
	Dense   int64 `json:"dense_bytes"`
}

// watchMemory asks for the account every second until stop is called, which
// gives what it saw.
func (t *target) watchMemory(ctx context.Context, limit int64) (stop func() memorySamples) {
	var m memorySamples
	var ended atomic.Bool
	m.Limit = limit
	done := make(chan struct{})
	look := func() {
		var l struct {
			RSS   int64 `json:"rss_bytes"`
			Slabs int64 `json:"slabs_bytes"`
			Dense int64 `json:"dense_bytes"`
		}
		if _, err := t.client.call(ctx, http.MethodGet, "/v1/memory", "", nil, &l); err != nil {
			return
		}
		m.Samples++
		m.Max, m.Slabs, m.Dense = max(m.Max, l.RSS), max(m.Slabs, l.Slabs), l.Dense
		if limit > 0 && l.RSS > limit {
			m.Over++
		}
	}
	go func() {
		defer close(done)
		for !ended.Load() {
			look()
			sleepUntil(ctx, time.Now().Add(time.Second))
			if ctx.Err() != nil {
				return
			}
		}
	}()
	return func() memorySamples {
		ended.Store(true)
		<-done
		return m
	}
}

// String is how a stage's memory is printed.
func (m memorySamples) String() string {
	if m.Samples == 0 {
		return "not told"
	}
	text := size(m.Max)
	if m.Limit > 0 {
		text += fmt.Sprintf(", over %s in %d of %d samples", size(m.Limit), m.Over, m.Samples)
	}
	return text
}
