package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"eigenserve/runtime/sched"
)

// traffic makes requests of a number of variants, distributed by Zipf's law with exponent 1.
type traffic struct {
	variants int
	request  func(variant, i int) error // makes the i-th request
}

// newTraffic returns traffic to an engine's variants.
func newTraffic(eng *Engine) *traffic {
	variants := eng.store.Variants()
	var images [][]byte
	for seed := range uint64(16) {
		images = append(images, picture(seed, 32, 32))
	}
	return &traffic{len(variants), func(variant, i int) error {
		_, err := eng.Classify(context.Background(), variants[variant].Name, images[i%len(images)], ClassifyOptions{TopK: 5})
		return err
	}}
}

// trace returns the variants of n requests.
func (tr *traffic) trace(n int) []int {
	r := rand.New(rand.NewPCG(7, 7))
	cumulative, total := make([]float64, tr.variants), 0.0
	for i := range cumulative {
		total += 1 / float64(i+1)
		cumulative[i] = total
	}
	byRank := r.Perm(tr.variants)
	out := make([]int, n)
	for i := range out {
		out[i] = byRank[min(sort.SearchFloat64s(cumulative, r.Float64()*total), tr.variants-1)]
	}
	return out
}

// closedLoop makes requests from a number of clients, each one after the other, for some
// time. It returns the answers a second.
func (tr *traffic) closedLoop(clients int, d time.Duration) float64 {
	var answered atomic.Int64
	var all sync.WaitGroup
	trace := tr.trace(1 << 14)
	began := time.Now()
	for k := range clients {
		all.Go(func() {
			for i := k; time.Since(began) < d; i += clients {
				if tr.request(trace[i%len(trace)], i) == nil {
					answered.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds()
}

// openLoop makes requests at a rate for some time, whether or not others are answered, with
// exponential gaps. It returns the latencies of those that were answered and of those that
// were refused, measured from when the request was due.
func (tr *traffic) openLoop(rate float64, d time.Duration) (answered, refused []time.Duration) {
	r := rand.New(rand.NewPCG(8, 8))
	trace := tr.trace(int(rate*d.Seconds()*1.2) + 100)
	var mu sync.Mutex // guards answered, refused
	var all sync.WaitGroup
	began, at := time.Now(), time.Duration(0)
	for i := 0; at < d && i < len(trace); i++ {
		at += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		if wait := at - time.Since(began); wait > 0 {
			time.Sleep(wait)
		}
		due := began.Add(at)
		all.Go(func() {
			err := tr.request(trace[i], i)
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

// report makes requests at a share of a rate and returns a line about what became of them.
func (tr *traffic) report(share, capacity float64, d time.Duration) string {
	answered, refused := tr.openLoop(share*capacity, d)
	return fmt.Sprintf("%.1f of %.0f/s: answered %.0f/s, p50 %v p99 %v; refused %.0f/s, p50 %v p99 %v", share, capacity,
		float64(len(answered))/d.Seconds(), quantile(answered, .5), quantile(answered, .99),
		float64(len(refused))/d.Seconds(), quantile(refused, .5), quantile(refused, .99))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// BenchmarkOverload requests the embedded family, with room for a tenth of it, at 80% of
// capacity, at five times capacity, and at 80% again.
func BenchmarkOverload(b *testing.B) {
	eng := zooEngine(b, Options{Factored: true, WeightCache: 12 << 20})
	tr := newTraffic(eng)
	tr.closedLoop(32, time.Second)
	capacity := tr.closedLoop(32, 2*time.Second)
	for range b.N {
		for _, share := range []float64{0.8, 5, 0.8} {
			b.Log(tr.report(share, capacity, 3*time.Second))
		}
	}
}

// BenchmarkSchedulerOverload is BenchmarkOverload of the scheduler alone: a batch takes
// 8 ms and 4 ms for each input, and no processor.
func BenchmarkSchedulerOverload(b *testing.B) {
	const maxBatch, d = 8, 5 * time.Second
	takes := func(inputs int) time.Duration { return time.Duration(8+4*inputs) * time.Millisecond }
	capacity := 2 * maxBatch / takes(maxBatch).Seconds()
	var s *sched.Scheduler
	s = sched.New(sched.Config{Slots: 2, MaxBatch: maxBatch, MaxQueue: 1024, Run: func(b *sched.Batch) {
		time.Sleep(takes(b.Size))
		for _, g := range b.Groups {
			for _, in := range g.Inputs {
				s.Finish(in, nil)
			}
		}
	}})
	var class sched.Class
	tr := &traffic{50, func(variant, _ int) error {
		r := sched.NewRequest(variant, &class, 1)
		if err := s.Admit(r); err != nil {
			return err
		}
		<-s.Enqueue(r, 0, 1)
		return s.Err(r)
	}}
	for range b.N {
		for _, share := range []float64{0.8, 5, 0.8} {
			b.Log(tr.report(share, capacity, d))
		}
	}
}

// BenchmarkMixed compares answers a second, and the processor's time for one, with mixed
// batches, with separate ones, and with batches of one.
func BenchmarkMixed(b *testing.B) {
	for range b.N {
		for _, o := range []Options{{}, {NotMixed: true}, {MaxBatch: 1}} {
			o.Factored, o.WeightCache, o.MaxWait = true, 12<<20, time.Minute
			eng := zooEngine(b, o)
			tr := newTraffic(eng)
			tr.closedLoop(64, 500*time.Millisecond)
			before, used := eng.Counters(), processorTime()
			rate := tr.closedLoop(64, 2*time.Second)
			used = processorTime() - used
			n := eng.Counters()
			inputs := n.Batches.Sum - before.Batches.Sum
			b.Logf("mixed=%t max-batch=%d: %.0f/s, %.0f µs of processor each, %.2f a batch, %.2f from slabs", !o.NotMixed, eng.options.MaxBatch, rate,
				1e6*used.Seconds()/inputs, inputs/float64(total(n.Batches.Counts)-total(before.Batches.Counts)), float64(n.Hits-before.Hits)/inputs)
		}
	}
}

// processorTime returns how much processor time this process has used.
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
