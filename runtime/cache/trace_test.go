package cache_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"eigenserve/runtime/cache"
)

// trace is a sequence of requests, each for a variant by number.
type trace struct {
	name     string
	requests []int
	skewed   bool // some variants are more popular than others for long
}

// traceLen returns the number of requests of a synthetic trace. The traces are replayed by
// one goroutine, and slowly under the race detector.
func traceLen() int {
	if testing.Short() || raceEnabled {
		return 20_000
	}
	return 100_000
}

// zipf returns a function that draws from n variants, the k-th most popular of which has
// the weight k^-s. They are in order of popularity or permuted.
func zipf(r *rand.Rand, n int, s float64, inOrder bool) func() int {
	cumulative, total := make([]float64, n), 0.0
	for i := range cumulative {
		total += math.Pow(float64(i+1), -s)
		cumulative[i] = total
	}
	variants := r.Perm(n)
	if inOrder {
		slices.Sort(variants)
	}
	return func() int { return variants[sort.SearchFloat64s(cumulative, r.Float64()*total)] }
}

// traces returns the traces that policies are compared on. EIGENSERVE_TRACE adds a
// recorded one: a file with the name of a variant on each line.
func traces(t testing.TB) []trace {
	const variants = 500
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(name string, next func(i int) int) trace {
		x := trace{name: name, skewed: strings.HasPrefix(name, "zipf") && name != "zipf 1.0, shifted each 500", requests: make([]int, traceLen())}
		for i := range x.requests {
			x.requests[i] = next(i)
		}
		return x
	}
	var all []trace
	for _, s := range []float64{0.7, 1.0, 1.3} {
		next := zipf(r, variants, s, false)
		all = append(all, draw(fmt.Sprintf("zipf %.1f", s), func(int) int { return next() }))
	}
	hot, scanned := zipf(r, variants, 1, false), 0
	all = append(all, draw("zipf 1.0 with scans", func(i int) int {
		if i/2000%5 == 4 { // 2000 requests in every 10000
			scanned++
			return variants + scanned%2000
		}
		return hot()
	}))
	shifting := zipf(r, variants, 1, false)
	all = append(all, draw("zipf 1.0, shifted each 10000", func(i int) int {
		if i%10_000 == 0 {
			shifting = zipf(r, variants, 1, false)
		}
		return shifting()
	}))
	redrawn := zipf(r, variants, 1, false)
	all = append(all, draw("zipf 1.0, shifted each 500", func(i int) int { return (redrawn() + i/500) % variants }))
	newest := zipf(r, variants, 1, true)
	all = append(all, draw("zipf 1.0, the newest first", func(i int) int { return i/500 - newest() + variants }))
	all = append(all, draw("a loop of 100", func(i int) int { return i % 100 }))
	all = append(all, draw("uniform", func(int) int { return r.IntN(variants) }))
	if path := os.Getenv("EIGENSERVE_TRACE"); path != "" {
		all = append(all, readTrace(t, path))
	}
	return all
}

// readTrace reads a recorded trace.
func readTrace(t testing.TB, path string) trace {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	x, numbers := trace{name: path}, map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name := strings.TrimSpace(lines.Text())
		if _, known := numbers[name]; !known {
			numbers[name] = len(numbers)
		}
		x.requests = append(x.requests, numbers[name])
	}
	return x
}

// replay requests a trace from a cache with the given number of slabs, and returns the hit
// rate and the number of rebuilds. If rebuilds are earned, a request that misses goes
// without weights, and its variant is offered for a rebuild at the second miss: so it is
// with factored answers where a rebuild costs what two of them save. Otherwise every miss
// rebuilds.
func (x trace) replay(t testing.TB, p cache.Policy, slabs int, earned bool) (hitRate float64, rebuilds int64) {
	c, pool := newCache(t, int64(slabs)*page, p), cache.NewPool(page)
	defer c.Close()
	missed, hits := map[int]int{}, 0
	fill := func([]float32) (any, error) { return nil, nil }
	for _, v := range x.requests {
		r := weights(fmt.Sprint(v), pool)
		c.RecordAccess(r.Key, 1)
		if l := c.Lookup(cache.Weights, r.Key); l != nil {
			hits++
			l.Release()
			continue
		}
		if !earned {
			l, err := c.Acquire(context.Background(), r, fill)
			must(err)
			l.Release()
			continue
		}
		if missed[v]++; missed[v] < 2 {
			continue
		}
		if offer(c, r) {
			missed[v] = 0
		} else {
			missed[v] = 1
		}
	}
	return float64(hits) / float64(len(x.requests)), c.Stats().Weights.Fills
}

// optimum returns the hit rate of a cache that knows the future (Belady 1966): it evicts
// the variant whose next request is the furthest away, or doesn't admit it.
func (x trace) optimum(slabs int) float64 {
	next, last := make([]int, len(x.requests)), map[int]int{}
	for i := len(x.requests) - 1; i >= 0; i-- {
		next[i] = math.MaxInt
		if at, is := last[x.requests[i]]; is {
			next[i] = at
		}
		last[x.requests[i]] = i
	}
	held, hits := map[int]int{}, 0 // from variant to its next request
	for i, v := range x.requests {
		if _, is := held[v]; is {
			hits++
		}
		held[v] = next[i]
		if len(held) > slabs {
			furthest := v
			for other, at := range held {
				if at > held[furthest] {
					furthest = other
				}
			}
			delete(held, furthest)
		}
	}
	return float64(hits) / float64(len(x.requests))
}

// TestPolicies prints the hit rates of the policies. It holds the default policy to what
// it was chosen for: where popularity is skewed, it closes at least 30% of the gap between
// LRU and the optimum, with at most half of LRU's rebuilds.
func TestPolicies(t *testing.T) {
	for _, slabs := range []int{10, 50} {
		t.Logf("%d slabs, 500 variants: hit rates of LRU and TinyLFU if every miss rebuilds, both if rebuilds are earned (number of rebuilds), and the optimum", slabs)
		for _, x := range traces(t) {
			forcedLRU, _ := x.replay(t, cache.LRU, slabs, false)
			forced, _ := x.replay(t, "", slabs, false)
			earnedLRU, rebuildsLRU := x.replay(t, cache.LRU, slabs, true)
			earned, rebuilds := x.replay(t, "", slabs, true)
			best := x.optimum(slabs)
			t.Logf("%-28s %.3f %.3f   %.3f (%d) %.3f (%d)   %.3f", x.name, forcedLRU, forced, earnedLRU, rebuildsLRU, earned, rebuilds, best)
			if x.skewed && (forced-forcedLRU < 0.3*(best-forcedLRU) || earned-earnedLRU < 0.3*(best-earnedLRU) || rebuilds > rebuildsLRU/2) {
				t.Errorf("%s, %d slabs: the default policy does not pay", x.name, slabs)
			}
			if best < max(forced, earned, forcedLRU, earnedLRU) {
				t.Errorf("%s: more hits than the optimum", x.name)
			}
		}
	}
}
