package runtime

import (
	"math"
	"testing"
	"time"
)

// A rate is that of the last seconds: it comes to what is asked, and goes when
// nothing is; the latency is that of the last answers, however long ago.
func TestRecent(t *testing.T) {
	var r recent
	now := time.Unix(1000, 0)
	if r.rate(now) != 0 || r.took != 0 {
		t.Errorf("before the first call: %v", r)
	}
	calls := func(n int, every, took time.Duration) {
		for range n {
			now = now.Add(every)
			r.add(now, took)
		}
	}
	is := func(what string, rate, took float64) {
		t.Helper()
		if got := r.rate(now); math.Abs(got-rate) > 0.05*rate+1e-9 || math.Abs(r.took-took) > 0.02*took {
			t.Errorf("%s: %g a second of %g s, want %g of %g", what, got, r.took, rate, took)
		}
	}
	calls(300, 200*time.Millisecond, 10*time.Millisecond)
	is("five a second", 5, 0.01)
	calls(1200, 50*time.Millisecond, 40*time.Millisecond)
	is("twenty a second, slower", 20, 0.04)
	now = now.Add(recency)
	is("after a silence", 20/math.E, 0.04)
	now = now.Add(24 * time.Hour)
	is("after a day", 0, 0.04)
	calls(1, 0, 7*time.Millisecond)
	is("one more", 0.1, 0.007)
}
