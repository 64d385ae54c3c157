package rans

import (
	"math"
	"sync/atomic"
)

// Scales in one bucket share a table. A bucket is the leading bits of a float32: its exponent
// and three bits of its mantissa. Smaller buckets would save 0.05%.
const (
	bucketShift = 20
	// The smallest bucket begins at a scale of 1.5/64 steps, the largest ends at 2^28.
	bucketLow  = (127-6)<<3 + 4
	bucketHigh = (127+27)<<3 + 7
	buckets    = bucketHigh - bucketLow + 1
)

// bucketOf returns the bucket of a scale, which may be 0 or infinite but not NaN.
func bucketOf(scale float32) int {
	return min(max(int(math.Float32bits(scale)>>bucketShift)-bucketLow, 0), buckets-1)
}

// bucketScale returns the geometric mean of the scales in a bucket, which stands for all.
func bucketScale(bucket int) float64 {
	low := math.Float32frombits(uint32(bucket+bucketLow) << bucketShift)
	high := math.Float32frombits(uint32(bucket+bucketLow+1) << bucketShift)
	return math.Sqrt(float64(low) * float64(high))
}

const (
	probBits = 16
	probOne  = 1 << probBits

	runsFrom   = 0.8  // smallest P(0) for which runs of zeros are coded
	longestRun = 1024 // largest number of zeros in one symbol
	shiftFrom  = 8    // smallest scale whose low bits are coded raw
	minTail    = 4    // slots of each sign; below, the tail is an escape
)

// table says how the coefficients of one bucket are coded.
//
// Symbol s >= 1 of values stands for the magnitudes ((s-1)<<shift)+1 to s<<shift of both
// signs, the positive ones in the lower half of its slots. The last symbol escapes to larger
// magnitudes. Symbol 0 is zero. If there are runs it has no slots: then symbol k of runs
// says that k zeros and a nonzero coefficient follow, and all slots from symbol k on together
// say that at least k zeros follow.
type table struct {
	runs   *slots // nil if zeros are coded one by one
	values slots
	freqs  []uint32 // slots of zero, and of each sign of the other symbols
	escape int      // the last symbol of values
	shift  uint     // number of raw low bits of a magnitude minus one
}

// value returns the symbol of values to which a slot belongs, the first slot of its sign, the
// number of slots of that sign, and the sign as 0 or -1.
func (t *table) value(slot uint32) (s int, low, freq uint32, sign int32) {
	s = t.values.find(slot)
	low, freq = t.values.edges[s], t.freqs[s]
	if slot-low >= freq {
		low, sign = low+freq, -1
	}
	return s, low, freq, sign
}

// slots divides [0, probOne) among symbols.
type slots struct {
	edges []uint32 // symbol s has slots edges[s] to edges[s+1]
	first [256]uint16
}

func newSlots(edges []uint32) slots {
	s := slots{edges: edges}
	symbol := 0
	for h := range s.first {
		for symbol+2 < len(edges) && edges[symbol+1] <= uint32(h)<<8 {
			symbol++
		}
		s.first[h] = uint16(symbol)
	}
	return s
}

// find returns the symbol to which a slot belongs.
func (s *slots) find(slot uint32) int {
	symbol := int(s.first[uint8(slot>>8)])
	for s.edges[symbol+1] <= slot {
		symbol++
	}
	return symbol
}

// tables holds the tables of one version of the stream.
type tables struct {
	distribution func(scale float64) distribution
	minBucket    int // smaller scales use this bucket
	made         [buckets]atomic.Pointer[table]
}

// versions holds the tables of each version. In the smallest bucket of each, one coefficient
// in about 50,000 is not zero.
var versions = [version + 1]*tables{1: {distribution: laplace}, 2: {distribution: weibull, minBucket: 6}}

// of returns the table of a bucket, which the first call makes. Two concurrent calls may both
// make it, but the tables are equal.
func (v *tables) of(bucket int) *table {
	if t := v.made[bucket].Load(); t != nil {
		return t
	}
	scale := bucketScale(bucket)
	t := newTable(v.distribution(scale), scale)
	v.made[bucket].Store(t)
	return t
}

func newTable(d distribution, scale float64) *table {
	t := &table{}
	nonzero := d.nonzero
	if 1-d.nonzero >= runsFrom {
		t.runs = runSlots(1 - d.nonzero)
		nonzero = 1
	}
	if scale >= shiftFrom {
		_, octaves := math.Frexp(scale / shiftFrom) // a group has a scale from 4 to 8
		t.shift = uint(octaves)
	}
	edges := valueSlots(d, nonzero, t.shift)
	t.values, t.escape = newSlots(edges), len(edges)-2
	t.freqs = append(t.freqs, edges[1])
	for s := 1; s <= t.escape; s++ {
		t.freqs = append(t.freqs, (edges[s+1]-edges[s])/2)
	}
	return t
}

// slotsOf rounds a probability to a number of slots.
func slotsOf(p float64) uint32 { return uint32(math.Floor(float64(p*probOne) + 0.5)) }

// valueSlots divides the slots among zero, groups of 1<<shift magnitudes and the escape. In
// the loop, above is the number of slots, of each sign, for all magnitudes from a group on.
func valueSlots(d distribution, nonzero float64, shift uint) []uint32 {
	edges := []uint32{0}
	above := slotsOf(nonzero / 2)
	if nonzero < 1 {
		above = min(above, probOne/2-1) // zero needs slots
	}
	for group := 1; ; group++ {
		edges = append(edges, probOne-2*above)
		if above <= minTail {
			return append(edges, probOne)
		}
		tail := slotsOf(nonzero / 2 * d.tail(math.Ldexp(float64(group), int(shift))))
		above = min(max(tail, 1), above-1)
	}
}

// runSlots divides the slots among the lengths of runs, with at least one slot for each. It
// stops while an eighth of the slots is left, so that the probability of "at least that many"
// stays precise.
func runSlots(zero float64) *slots {
	edges := []uint32{0}
	for p := zero; len(edges) <= longestRun; p = float64(p * zero) {
		edge := max(slotsOf(1-p), edges[len(edges)-1]+1)
		if len(edges) > 1 && edge > probOne-probOne/8 {
			break
		}
		edges = append(edges, edge)
	}
	s := newSlots(append(edges, probOne))
	return &s
}

// longest returns the largest number of zeros in one symbol of runs.
func (s *slots) longest() int { return len(s.edges) - 2 }
