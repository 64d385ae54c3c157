package runtime

import (
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"sort"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

// patience is longer than any test waits for an event.
const patience = time.Minute

// eventually waits until a condition holds that other goroutines bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// quiet waits until no entry of the cache is leased and nobody waits for one, and checks
// the account. The leases of a batch end shortly after its rows are answered.
func quiet(t *testing.T, c *cache.Cache) {
	t.Helper()
	eventually(t, "the leases end", func() bool {
		s := c.Stats()
		return s.Weights.Leased+s.Decoded.Leased+s.Dropped+s.Waiters == 0
	})
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// zipf returns a function that draws from n variants, the k-th most popular of which
// has the weight k^-s. A random permutation says which those are.
func zipf(r *rand.Rand, n int, s float64) func() int {
	cumulative, total := make([]float64, n), 0.0
	for i := range cumulative {
		total += math.Pow(float64(i+1), -s)
		cumulative[i] = total
	}
	variants := r.Perm(n)
	return func() int { return variants[sort.SearchFloat64s(cumulative, r.Float64()*total)] }
}
