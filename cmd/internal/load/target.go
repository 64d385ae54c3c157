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

// target is a server under load and the requests that it may get.
type target struct {
	client *client.Client
	models []servedModel
	bodies [][]byte
	sample *reservoir // answers to verify; may be nil
	// slots bounds the requests in progress, one per connection. A request that is
	// due while all are taken is not sent and counts as failed: if it waited, the
	// generator's own queue would be measured.
	slots chan struct{}
}

// servedModel is a model and the digest that its answers must name.
type servedModel struct{ name, digest string }

// newTarget returns a target that is called over at most so many connections. They
// are kept open, since opening one for each request would be measured as well.
func newTarget(c *client.Client, models []servedModel, bodies [][]byte, connections int) *target {
	c.HTTP.Transport = &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	c.HTTP.Timeout = 2 * time.Minute
	return &target{client: c, models: models, bodies: bodies, slots: make(chan struct{}, connections)}
}

// openLoop sends requests when they are due, whether or not earlier ones have been
// answered. A latency is measured from when its request was due, so that a server
// that stalls is charged for all requests that were due meanwhile (no coordinated
// omission). Requests of the warm-up are sent but not counted.
func (t *target) openLoop(ctx context.Context, rate float64, warmup, span time.Duration, models *popularity, seed uint64) (*stageStats, error) {
	stats := newStageStats()
	var sent sync.WaitGroup
	defer sent.Wait()
	start := time.Now()
	for a := range poisson(rate, warmup+span, models, len(t.bodies), rand.New(rand.NewPCG(seed, 2))) {
		due := start.Add(a.due)
		if err := SleepUntil(ctx, due); err != nil {
			return stats, err
		}
		counted := a.due >= warmup
		select {
		case t.slots <- struct{}{}:
		default:
			if counted {
				stats.add(result{problem: "not sent: no free connection"})
			}
			continue
		}
		sent.Go(func() {
			r := t.send(ctx, a, due)
			<-t.slots
			if counted {
				stats.add(r)
			}
		})
	}
	sent.Wait()
	return stats, ctx.Err()
}

// refusedPause is how long a worker of the closed loop waits after a refusal.
const refusedPause = 20 * time.Millisecond

// closedLoop has workers send one request after the other for a time. It returns the
// results and how long it took: their ratio is the capacity.
func (t *target) closedLoop(ctx context.Context, workers int, span time.Duration, models *popularity, seed uint64) (*stageStats, time.Duration) {
	stats, start := newStageStats(), time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(100+w)))
			for time.Since(start) < span && ctx.Err() == nil {
				r := t.send(ctx, arrival{model: models.draw(random), image: random.IntN(len(t.bodies))}, time.Now())
				stats.add(r)
				if r.status != http.StatusOK {
					SleepUntil(ctx, time.Now().Add(refusedPause))
				}
			}
		})
	}
	all.Wait()
	return stats, time.Since(start)
}

// SleepUntil waits until a time, or returns the error of ctx if it is done earlier.
func SleepUntil(ctx context.Context, until time.Time) error {
	left := time.Until(until)
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

// send sends one request and checks its answer.
func (t *target) send(ctx context.Context, a arrival, due time.Time) result {
	m := t.models[a.model]
	res, err := t.client.Do(ctx, http.MethodPost, "/v1/models/"+url.PathEscape(m.name)+"/classify", "application/json", bytes.NewReader(t.bodies[a.image]))
	if err != nil {
		return result{latency: time.Since(due), problem: "no answer"}
	}
	raw, err := io.ReadAll(res.Body)
	res.Body.Close()
	r := result{status: res.StatusCode, latency: time.Since(due), weights: weightsUsed(res.Header.Get("Server-Timing"))}
	switch {
	case err != nil:
		r.status, r.problem = 0, "answer cut off"
	case r.status != http.StatusOK:
		r.problem = res.Status
	default:
		r.problem = t.check(m, a, res.Header, raw)
	}
	return r
}

// check returns what is wrong with an answer, or "". Its logits are verified later,
// if it is sampled.
func (t *target) check(m servedModel, a arrival, h http.Header, raw []byte) string {
	if h.Get("Eigenserve-Variant") != url.PathEscape(m.name)+"@"+m.digest {
		return "answer from another variant"
	}
	var scores []LabelScore
	if json.Unmarshal(raw, &scores) != nil || len(scores) == 0 {
		return "answer without scores"
	}
	if t.sample != nil {
		t.sample.add(sampledAnswer{a, scores})
	}
	return ""
}

var weightsPart = regexp.MustCompile(`weights;desc="?([a-z]+)`)

// weightsUsed returns which weights answered, according to Server-Timing.
func weightsUsed(timing string) string {
	if found := weightsPart.FindStringSubmatch(timing); found != nil {
		return found[1]
	}
	return "unknown"
}
