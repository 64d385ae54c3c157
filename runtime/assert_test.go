package runtime

import (
	goruntime "runtime"
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

// same tells whether two answers are one, whatever else was in their batches:
// the sums of a larger product run in another order.
func same(a, b map[string]float64) bool { return near(a, b, 1e-5) }
