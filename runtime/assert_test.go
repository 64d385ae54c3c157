package runtime

import (
	"math"
	goruntime "runtime"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

// timeout is longer than any test waits for an event.
const timeout = time.Minute

// eventually waits until a condition holds that other goroutines bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !holds(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// waitIdle waits until no entry of the cache is leased and no call waits for one, and checks
// the cache's account. A batch releases its leases shortly after its inputs are answered.
func waitIdle(t *testing.T, c *cache.Cache) {
	t.Helper()
	eventually(t, "all leases have ended", func() bool {
		s := c.Stats()
		return s.Weights.Leased+s.Decoded.Leased+s.Dropped+s.Waiters == 0
	})
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// near reports whether two answers have the same labels and scores that differ by no more
// than a tolerance.
func near(a, b map[string]float64, tolerance float64) bool {
	for label, x := range a {
		if y, ok := b[label]; !ok || !(math.Abs(x-y) <= tolerance) {
			return false
		}
	}
	return len(a) == len(b)
}

// same reports whether two answers are equal but for rounding: in a larger batch the sums
// of a product are added in another order.
func same(a, b map[string]float64) bool { return near(a, b, 1e-5) }
