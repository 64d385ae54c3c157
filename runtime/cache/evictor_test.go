package cache

import (
	"errors"
	"fmt"
	"testing"

	"eigenserve/runtime/fault"
)

func TestPolicyNames(t *testing.T) {
	for name, want := range map[Policy]string{"": "*cache.tinyLFU", "tinylfu": "*cache.tinyLFU", "lru": "cache.lru"} {
		if e, err := name.evictor(); err != nil || fmt.Sprintf("%T", e) != want {
			t.Errorf("%q is %T, %v", name, e, err)
		}
	}
	var coded *fault.Error
	if _, err := New(Options{Policy: "mru"}); !errors.As(err, &coded) || coded.Code != fault.Invalid {
		t.Error(err)
	}
}

func TestFrequencySketch(t *testing.T) {
	s := newFrequencySketch()
	for i := range 1000 {
		s.add(fmt.Sprint(i%100), 1000)
	}
	for i := range 100 {
		if n := s.estimate(fmt.Sprint(i)); n < 10 || n > 12 {
			t.Errorf("key %d was added 10 times and is estimated at %d", i, n)
		}
	}
	if n := s.estimate("another"); n > 1 {
		t.Errorf("a key that was never added is estimated at %d", n)
	}
	s.halve()
	if n := s.estimate("7"); n < 5 || n > 6 {
		t.Errorf("half of 10 is estimated at %d", n)
	}
	for range 1000 {
		s.add("hot", 1000)
	}
	if n := s.estimate("hot"); n != 255 {
		t.Errorf("1000 are estimated at %d, not at the most that a counter holds", n)
	}
	for range minRequests { // without entries the counters are halved all the same
		s.add("hot", 0)
	}
	if n := s.estimate("hot"); n > 255/2+minRequests {
		t.Errorf("the counters were not halved: %d", n)
	}
}
