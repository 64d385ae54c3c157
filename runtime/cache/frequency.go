package cache

import "hash/maphash"

// frequencySketch estimates how often each of many keys was requested lately, in memory
// that doesn't grow with their number. It is a count-min sketch (Cormode and Muthukrishnan
// 2005) whose counters are halved now and then, so that old requests count less.
type frequencySketch struct {
	seed  maphash.Seed
	rows  [4][sketchWidth]uint8
	added int // requests since the counters were halved
}

const (
	sketchWidth = 1 << 12 // counters in a row
	// The counters are halved after so many requests per entry, and not before a minimum.
	// A longer period is better while popularity is steady, and slower to follow when it
	// changes; TestPolicies shows both.
	requestsPerEntry = 16
	minRequests      = 128
)

func newFrequencySketch() *frequencySketch { return &frequencySketch{seed: maphash.MakeSeed()} }

// columns returns where a key's counters are, one in each row.
func (s *frequencySketch) columns(key string) (at [4]uint16) {
	h := maphash.String(s.seed, key)
	for i := range at {
		at[i] = uint16(h>>(16*i)) % sketchWidth
	}
	return at
}

// add counts a request, in a cache with the given number of entries.
func (s *frequencySketch) add(key string, entries int) {
	at := s.columns(key)
	least := s.least(at)
	for i := range at {
		// Conservative update: only the counters that bound the estimate grow.
		if c := &s.rows[i][at[i]]; *c == least && *c < 255 {
			*c++
		}
	}
	if s.added++; s.added >= max(minRequests, requestsPerEntry*entries) {
		s.halve()
	}
}

// estimate returns how often a key was requested lately. It is never too low.
func (s *frequencySketch) estimate(key string) uint8 { return s.least(s.columns(key)) }

// least returns the smallest of the counters in the given columns.
func (s *frequencySketch) least(at [4]uint16) uint8 {
	least := s.rows[0][at[0]]
	for i := range at {
		least = min(least, s.rows[i][at[i]])
	}
	return least
}

// halve halves all counters.
func (s *frequencySketch) halve() {
	s.added = 0
	for i := range s.rows {
		for k := range s.rows[i] {
			s.rows[i][k] /= 2
		}
	}
}
