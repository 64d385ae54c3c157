package sched

import (
	"testing"
	"time"
)

// TestBurst observes requests by a fake clock. The times are milliseconds since the first.
func TestBurst(t *testing.T) {
	const target = 80 * time.Millisecond
	begin := time.Unix(1, 0)
	after := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		name     string
		exceeds  []int // when requests exceed the target
		now      int
		limit    time.Duration
		overload bool
	}{
		{"nothing", nil, 0, target, false},
		{"the first", []int{0}, 0, burstWait, false},
		{"during a burst", []int{0, 50}, 100, burstWait, false},
		{"after a burst", []int{0, 50}, 101, target, true},
		{"a burst that has ended", []int{0}, 101, target, false},
		{"an overload", []int{0, 100, 200, 300, 400, 500}, 550, target, true},
		{"an overload that has ended", []int{0, 100, 200, 300}, 401, target, false},
		{"soon after", []int{0, 200, 450}, 450, target, true},
		{"after a quiet time", []int{0, 200, 451}, 451, burstWait, false},
	} {
		var b burst
		for _, ms := range c.exceeds {
			b.observe(after(ms), true)
			b.observe(after(ms), false) // changes nothing
		}
		if got := b.limit(after(c.now), target); got != c.limit {
			t.Errorf("%s: the limit is %v, want %v", c.name, got, c.limit)
		}
		if got := b.isOverload(after(c.now)); got != c.overload {
			t.Errorf("%s: overload is %t", c.name, got)
		}
	}
	b := burst{}
	b.observe(begin, true)
	if got := b.limit(begin, time.Minute); got != time.Minute {
		t.Errorf("a burst lowers the limit to %v", got)
	}
}
