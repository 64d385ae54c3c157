package runtime

import (
	"errors"
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

// codeOf returns the code of an Error, or -1 for any other error.
func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

// quiet waits until no lease is out and nobody waits for a slab, and checks the cache's
// account then. The leases of a batch end shortly after its rows are answered.
func quiet(t *testing.T, c *cache.Cache) {
	t.Helper()
	eventually(t, "the leases end and the account is right", func() bool {
		s := c.Stats()
		return s.Out == 0 && s.Waiters == 0 && c.Check() == nil
	})
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
