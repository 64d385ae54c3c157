package sched

import (
	"testing"
	"time"
)

// TestMixesWhereItPays measures inputs of both kinds of batches, and counts which kind is
// then chosen.
func TestMixesWhereItPays(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		inMixed, inSeparate time.Duration
		want                int // mixed ones of the next 2×mixingTrial choices
	}{
		{0, 0, 2 * mixingTrial},
		{10 * ms, 0, 0}, // the other is to be measured
		{7 * ms, 10 * ms, 2*mixingTrial - 2},
		{10 * ms, 10 * ms, 2}, // waiting for each other has to pay
		{13 * ms, 10 * ms, 2},
	} {
		var m mixing
		m.observe(mixed, c.inMixed)
		m.observe(separate, c.inSeparate)
		m.observe(single, time.Hour)
		n := 0
		for range 2 * mixingTrial {
			if m.choose() == mixed {
				n++
			}
		}
		if n != c.want {
			t.Errorf("inputs of %v mixed and %v separate: %d mixed batches, want %d", c.inMixed, c.inSeparate, n, c.want)
		}
	}
}

// TestLimitsFollowTheCost has inputs of many costs. Where they take so long that they share
// little of a pass, no batch takes longer than batchTime; and a few inputs' time may be
// waited for, less where one of many slots is free soon.
func TestLimitsFollowTheCost(t *testing.T) {
	for _, c := range []struct {
		slots  int
		cost   time.Duration
		batch  int
		target time.Duration
	}{
		{2, time.Millisecond, 8, leastWait},
		{2, 20 * time.Millisecond, 5, 100 * time.Millisecond},
		{2, 80 * time.Millisecond, 1, 240 * time.Millisecond},
		{2, time.Second, 1, 3 * time.Second},
		{1, time.Second, 1, 5 * time.Second},
		{16, time.Second, 1, 1250 * time.Millisecond},
		{16, 20 * time.Millisecond, 5, 100 * time.Millisecond},
	} {
		s := New(Config{Slots: c.slots, MaxBatch: 8, MaxQueue: 1024})
		var class Class
		class.cost.Observe(c.cost)
		if got := s.batchLimit(&class); got != c.batch {
			t.Errorf("%d slots, inputs of %v: batches of %d, want %d", c.slots, c.cost, got, c.batch)
		}
		if got := s.targetWait(&class); got != c.target {
			t.Errorf("%d slots, inputs of %v may wait %v, want %v", c.slots, c.cost, got, c.target)
		}
	}
}
