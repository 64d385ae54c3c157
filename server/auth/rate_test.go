package auth

import (
	"testing"
	"time"

	"eigenserve/runtime"
)

func TestRateLimiter(t *testing.T) {
	clock := time.Unix(1000, 0)
	for _, c := range []struct {
		rate   float64
		atOnce int           // after a pause
		wait   time.Duration // until the next, after that
		later  int           // in the ten seconds after that
	}{
		{rate: 4, atOnce: 4, wait: 250 * time.Millisecond, later: 40},
		{rate: 1, atOnce: 1, wait: time.Second, later: 10},
		{rate: 0.5, atOnce: 1, wait: 2 * time.Second, later: 5},
	} {
		a := &rateLimiter{rate: c.rate}
		var err error
		n := 0
		for ; err == nil && n < 100; n++ {
			err = a.take(clock)
		}
		if n-1 != c.atOnce {
			t.Errorf("%g per second: %d at once, want %d", c.rate, n-1, c.atOnce)
		}
		if got := err.(*runtime.Error); got.Code != runtime.Overloaded || got.RetryAfter != c.wait {
			t.Errorf("%g per second: %v, again after %v, want %v", c.rate, err, got.RetryAfter, c.wait)
		}
		later := 0
		for ms := 1; ms <= 10_000; ms++ {
			if a.take(clock.Add(time.Duration(ms)*time.Millisecond)) == nil {
				later++
			}
		}
		if later != c.later {
			t.Errorf("%g per second: %d in ten seconds, want %d", c.rate, later, c.later)
		}
	}
	var none *rateLimiter
	if err := none.take(clock); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
