package server

import (
	"testing"
	"time"
)

func TestInflight(t *testing.T) {
	clock := time.Unix(1000, 0)
	c := inflight{limit: 4, now: func() time.Time { return clock }}
	for i := range 10 {
		if c.isFull() || !c.acquire() {
			t.Fatalf("inference %d of a burst was refused", i)
		}
	}
	clock = clock.Add(burstTime + time.Millisecond)
	if !c.isFull() || c.acquire() {
		t.Error("one more was accepted after the limit was exceeded for long")
	}
	for range 7 {
		c.release()
	}
	if c.isFull() || !c.acquire() {
		t.Error("an inference below the limit was refused")
	}
	if c.acquire() {
		t.Error("the limit was exceeded right after")
	}
	clock = clock.Add(quietTime + time.Millisecond)
	if !c.acquire() {
		t.Error("a burst was refused after a quiet time")
	}
	if c.count != 5 {
		t.Errorf("%d are counted, want 5", c.count)
	}
}
