package cache

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// A trace is which variant each request is for.
type trace struct {
	name     string
	requests []int
	skewed   bool // some variants are asked for more often than others, for long
}

// traceLen is how many requests a made-up trace has.
func traceLen() int {
	if testing.Short() || race {
		return 20_000
	}
	return 100_000
}

// zipf draws by rank^-s from n variants, which a permutation names, or their order.
func zipf(r *rand.Rand, n int, s float64, inOrder bool) func() int {
	cumulative, total := make([]float64, n), 0.0
	for i := range cumulative {
		total += math.Pow(float64(i+1), -s)
		cumulative[i] = total
	}
	names := r.Perm(n)
	if inOrder {
		slices.Sort(names)
	}
	return func() int {
		x := r.Float64() * total
		lo, hi := 0, n-1
		for lo < hi {
			if mid := (lo + hi) / 2; cumulative[mid] < x {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		return names[lo]
	}
}

// traces are what policies are compared over. One that was recorded, a variant's
// name a line, is added by EIGENSERVE_TRACE.
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
		if i/2000%5 == 4 { // each fifth two thousand
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
		all = append(all, recorded(t, path))
	}
	return all
}

func recorded(t testing.TB, path string) trace {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	x, known := trace{name: path}, map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name := strings.TrimSpace(lines.Text())
		if _, is := known[name]; !is {
			known[name] = len(known)
		}
		x.requests = append(x.requests, known[name])
	}
	return x
}

// replay asks a cache of so many slabs for a trace and gives its hit rate. Where
// weights are earned, a request that misses goes without, and has them rebuilt
// once it has missed twice, if they are worth it: as factored answers are, if a
// rebuild costs what two of them save. Else it rebuilds at each miss.
func (x trace) replay(p policy, slabs int, earned bool) (hits float64, rebuilds int64) {
	c := New(int64(slabs)*page, 1, patience, p)
	defer c.Close()
	pool, rent, found := NewPool(page), map[int]int{}, 0
	build := func([]float32) (any, error) { return nil, nil }
	for _, v := range x.requests {
		w := Request{Digest: fmt.Sprint(v), Pool: pool}
		c.RecordAccess(w.Digest, 1)
		if l := c.Lookup(w.Digest); l != nil {
			found++
			l.Release()
			continue
		}
		if !earned {
			l, err := c.Acquire(context.Background(), w, build)
			must(err)
			l.Release()
			continue
		}
		if rent[v]++; rent[v] < 2 {
			continue
		}
		if r := c.Reserve(w); r != nil {
			c.Fill([]*Entry{r}, func([][]float32) ([]any, []error) { return []any{nil}, []error{nil} })
			c.Release(r)
			rent[v] = 0
		} else {
			rent[v] = 1
		}
	}
	return float64(found) / float64(len(x.requests)), c.Stats().Rebuilds
}

// clairvoyant is the hit rate of who knows the future (Belady 1966): what is
// asked for again the latest goes, or does not come in at all.
func (x trace) clairvoyant(slabs int) float64 {
	next, last := make([]int, len(x.requests)), map[int]int{}
	for i := len(x.requests) - 1; i >= 0; i-- {
		next[i] = math.MaxInt
		if at, is := last[x.requests[i]]; is {
			next[i] = at
		}
		last[x.requests[i]] = i
	}
	held, found := map[int]int{}, 0 // variant to when it is asked for next
	for i, v := range x.requests {
		if _, is := held[v]; is {
			found++
		}
		held[v] = next[i]
		if len(held) > slabs {
			latest := v
			for other, at := range held {
				if at > held[latest] {
					latest = other
				}
			}
			delete(held, latest)
		}
	}
	return float64(found) / float64(len(x.requests))
}

// TestPolicies prints the hit rates of the policies, and holds the default to
// what it was chosen for: where some variants are asked for more often than
// others, it leaves less of what the clairvoyant has over LRU, and rebuilds less.
func TestPolicies(t *testing.T) {
	lru, _ := LRU.New()
	if _, is := lru.(lruPolicy); !is {
		t.Fatal("no LRU to compare with")
	}
	play := func(x trace, name Policy, slabs int, earned bool) (float64, int64) {
		p, err := name.New()
		must(err)
		return x.replay(p, slabs, earned)
	}
	for _, slabs := range []int{10, 50} {
		t.Logf("%d slabs, 500 variants: hit rates of LRU and TinyLFU where each miss rebuilds, and where rebuilds are earned (with their number), and the clairvoyant's", slabs)
		for _, x := range traces(t) {
			forcedLRU, _ := play(x, LRU, slabs, false)
			forced, _ := play(x, "", slabs, false)
			earnedLRU, rebuildsLRU := play(x, LRU, slabs, true)
			earned, rebuilds := play(x, "", slabs, true)
			best := x.clairvoyant(slabs)
			t.Logf("%-28s %.3f %.3f   %.3f (%d) %.3f (%d)   %.3f", x.name, forcedLRU, forced, earnedLRU, rebuildsLRU, earned, rebuilds, best)
			if x.skewed && (forced-forcedLRU < 0.3*(best-forcedLRU) || earned-earnedLRU < 0.3*(best-earnedLRU) || rebuilds > rebuildsLRU/2) {
				t.Errorf("%s, %d slabs: the default does not pay", x.name, slabs)
			}
			if best < max(forced, earned, forcedLRU, earnedLRU) {
				t.Errorf("%s: more hits than there are", x.name)
			}
		}
	}
}
