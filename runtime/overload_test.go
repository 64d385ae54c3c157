package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"eigenserve/store"
)

// crowd asks an engine for its variants, Zipf 1.0.
type crowd struct {
	names  []string
	answer func(variant, i int) error
}

func newCrowd(eng *Engine) *crowd {
	c := &crowd{}
	for _, e := range eng.store.Variants() {
		c.names = append(c.names, e.Name)
	}
	var images [][]byte
	for seed := range uint64(16) {
		images = append(images, picture(seed, 32, 32))
	}
	c.answer = func(variant, i int) error {
		_, err := eng.Classify(context.Background(), c.names[variant], images[i%len(images)], ClassifyOptions{TopK: 5})
		return err
	}
	return c
}

// trace is who is asked, and with what, by number.
func (c *crowd) trace(n int) []int {
	next := zipf(rand.New(rand.NewPCG(7, 7)), len(c.names), 1, false)
	out := make([]int, n)
	for i := range out {
		out[i] = next()
	}
	return out
}

// closed has so many clients ask for some time, each again when it is answered,
// and gives the answers a second.
func (c *crowd) closed(clients int, d time.Duration) float64 {
	var answered atomic.Int64
	var all sync.WaitGroup
	trace := c.trace(1 << 14)
	began := time.Now()
	for k := range clients {
		all.Go(func() {
			for i := k; time.Since(began) < d; i += clients {
				if c.answer(trace[i%len(trace)], i) == nil {
					answered.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds()
}

// open asks at a rate for some time, whatever becomes of it, with exponential
// gaps, and gives the latencies of what was answered and what was refused, each
// from when it should have been asked.
func (c *crowd) open(rate float64, d time.Duration) (answered, refused []time.Duration) {
	r := rand.New(rand.NewPCG(8, 8))
	trace := c.trace(int(rate*d.Seconds()*1.2) + 100)
	var mu sync.Mutex
	var all sync.WaitGroup
	began, at := time.Now(), time.Duration(0)
	for i := 0; at < d && i < len(trace); i++ {
		at += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		if wait := at - time.Since(began); wait > 0 {
			time.Sleep(wait)
		}
		due := began.Add(at)
		all.Go(func() {
			err := c.answer(trace[i], i)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answered = append(answered, took)
			} else {
				refused = append(refused, took)
			}
		})
	}
	all.Wait()
	slices.Sort(answered)
	slices.Sort(refused)
	return answered, refused
}

// report asks at a share of a rate, and tells how that went.
func (c *crowd) report(load, capacity float64, d time.Duration) string {
	answered, refused := c.open(load*capacity, d)
	return fmt.Sprintf("%.1f of %.0f/s: answered %.0f/s, p50 %v p99 %v; refused %.0f/s, p50 %v p99 %v", load, capacity,
		float64(len(answered))/d.Seconds(), quantile(answered, .5), quantile(answered, .99),
		float64(len(refused))/d.Seconds(), quantile(refused, .5), quantile(refused, .99))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// BenchmarkOverload asks the embedded family, with room for a tenth of it, at
// 80% of what it can do and at five times that, and then at 80% again.
func BenchmarkOverload(b *testing.B) {
	eng := zooEngine(b, Options{Factored: true, WeightCache: 12 << 20})
	c := newCrowd(eng)
	c.closed(32, time.Second)
	capacity := c.closed(32, 2*time.Second)
	for range b.N {
		for _, load := range []float64{0.8, 5, 0.8} {
			b.Log(c.report(load, capacity, 3*time.Second))
		}
	}
}

// BenchmarkSchedulerOverload is BenchmarkOverload of the scheduler alone: batches
// take time and no processor, 8 ms and 4 ms a row.
func BenchmarkSchedulerOverload(b *testing.B) {
	const most, variants, d = 8, 50, 5 * time.Second
	takes := func(rows int) time.Duration { return time.Duration(8+4*rows) * time.Millisecond }
	capacity := 2 * most / takes(most).Seconds()
	var inside sync.WaitGroup
	s := newScheduler(Options{Parallel: 2, MaxBatch: most}.withDefaults(), &inside)
	f := &servedFamily{}
	s.weights = func(*loaded) (*lease, bool) { return nil, false }
	s.run = func(x *batch) {
		time.Sleep(takes(x.rows))
		f.costs.row.observe(time.Since(x.began) / time.Duration(x.rows))
		for _, g := range x.groups {
			for _, x := range g.rows {
				s.finish(x, nil)
			}
		}
	}
	c := &crowd{names: make([]string, variants)}
	handles := make([]*handle, variants)
	for i := range handles {
		handles[i] = newHandle(store.Entry{})
	}
	c.answer = func(variant, _ int) error {
		r := newRequest(handles[variant], &loaded{family: f}, 1)
		if err := s.admit(r); err != nil {
			return err
		}
		<-s.enqueue(r, r.rows)
		return s.outcome(r)
	}
	for range b.N {
		for _, load := range []float64{0.8, 5, 0.8} {
			b.Log(c.report(load, capacity, d))
		}
	}
}

// BenchmarkMixed compares answers a second, and the processor's time for one,
// with mixed batches, without, and one at a time.
func BenchmarkMixed(b *testing.B) {
	for range b.N {
		for _, o := range []Options{{}, {NotMixed: true}, {MaxBatch: 1}} {
			o.Factored, o.WeightCache, o.MaxWait = true, 12<<20, time.Minute
			eng := zooEngine(b, o)
			c := newCrowd(eng)
			c.closed(64, 500*time.Millisecond)
			before, used := eng.Counters(), processorTime()
			rate := c.closed(64, 2*time.Second)
			used = processorTime() - used
			n := eng.Counters()
			rows := n.Batches.Sum - before.Batches.Sum
			b.Logf("mixed=%t max-batch=%d: %.0f/s, %.0f µs of processor each, %.2f a batch, %.2f from slabs", !o.NotMixed, eng.options.MaxBatch, rate,
				1e6*used.Seconds()/rows, rows/float64(total(n.Batches.Counts)-total(before.Batches.Counts)), float64(n.Hits-before.Hits)/rows)
		}
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	p, err := process.NewProcess(int32(os.Getpid()))
	must(err)
	t, err := p.Times()
	must(err)
	return time.Duration((t.User + t.System) * float64(time.Second))
}

func total(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
