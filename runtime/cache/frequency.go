package cache

import "hash/maphash"

// frequencySketch counts how often each of many keys came lately, in memory that does not
// grow with them: a count-min sketch (Cormode and Muthukrishnan 2005) whose
// counters are halved every so often, so that what came long ago counts less.
type frequencySketch struct {
	seed  maphash.Seed
	rows  [4][sketchWidth]uint8
	added int // since the counters were halved
}

const (
	sketchWidth = 1 << 12
	// After so many keys for each that is Entry, and so many in all, the
	// counters are halved. Longer is better while nothing changes, and slower to
	// see that it has; TestPolicies shows both.
	sketchAge = 16
	leastAge  = 128
)

func newFrequencySketch() *frequencySketch { return &frequencySketch{seed: maphash.MakeSeed()} }

// places are the key's counters, one a row.
func (s *frequencySketch) places(key string) (at [4]uint16) {
	h := maphash.String(s.seed, key)
	for i := range at {
		at[i] = uint16(h>>(16*i)) % sketchWidth
	}
	return at
}

// add counts a key, where so many are Entry.
func (s *frequencySketch) add(key string, residents int) {
	at := s.places(key)
	least := s.least(at)
	for i := range at {
		if c := &s.rows[i][at[i]]; *c == least && *c < 255 { // conservative update: no more than it takes
			*c++
		}
	}
	if s.added++; s.added >= max(leastAge, sketchAge*residents) {
		s.age()
	}
}

// count is how often a key came lately, or more, never less.
func (s *frequencySketch) count(key string) uint8 { return s.least(s.places(key)) }

func (s *frequencySketch) least(at [4]uint16) uint8 {
	least := s.rows[0][at[0]]
	for i := range at {
		least = min(least, s.rows[i][at[i]])
	}
	return least
}

func (s *frequencySketch) age() {
	s.added = 0
	for i := range s.rows {
		for k := range s.rows[i] {
			s.rows[i][k] /= 2
		}
	}
}
