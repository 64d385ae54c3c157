package rans

import (
	"math"
	"sync/atomic"
)

// Scales share a table by bucket: the leading bits of the float32 scale, its
// exponent and three bits of the mantissa. Finer ones would save 0.05%.
const (
	bucketShift = 20
	// The smallest bucket starts at a scale of 1.5/64 steps, the largest ends at
	// 2^28 of them.
	bucketLow  = (127-6)<<3 + 4
	bucketHigh = (127+27)<<3 + 7
	buckets    = bucketHigh - bucketLow + 1
)

// bucketOf is the bucket of a scale, which may be 0 or infinite, not NaN.
func bucketOf(scale float32) int {
	return min(max(int(math.Float32bits(scale)>>bucketShift)-bucketLow, 0), buckets-1)
}

// bucketScale is the scale that stands for all of a bucket: its geometric mean.
func bucketScale(bucket int) float64 {
	low := math.Float32frombits(uint32(bucket+bucketLow) << bucketShift)
	high := math.Float32frombits(uint32(bucket+bucketLow+1) << bucketShift)
	return math.Sqrt(float64(low) * float64(high))
}

const (
	probBits = 16
	probOne  = 1 << probBits

	runsFrom   = 0.8  // P(0) from which runs of zeros are coded
	longestRun = 1024 // zeros in one symbol
	shiftFrom  = 8    // scale from which low bits are sent raw
	leastTail  = 4    // slots for each sign below which the tail is an escape
)

// table is how the coefficients of one bucket are coded.
//
// Symbol s of values, s >= 1, stands for the magnitudes ((s-1)<<shift)+1 to
// s<<shift of either sign, the positive ones in the lower half of its slots;
// the last symbol escapes to larger ones. Symbol 0 is zero, and has no slots
// where runs tell the zeros: there symbol k says that k zeros and a nonzero
// follow, and all slots from k on together that at least k zeros follow.
type table struct {
	runs   *slots // nil where zeros are coded one by one
	values slots
	freqs  []uint32 // slots of zero, and of each sign of the other values
	escape int      // the last symbol of values
	shift  uint     // raw low bits of a magnitude less one
}

// value is the symbol of values that holds a slot, the first slot of its sign,
// how many that sign has, and the sign as 0 or -1.
func (t *table) value(slot uint32) (s int, low, freq uint32, sign int32) {
	s = t.values.find(slot)
	low, freq = t.values.edges[s], t.freqs[s]
	if slot-low >= freq {
		low, sign = low+freq, -1
	}
	return s, low, freq, sign
}

// slots divides [0, probOne) between symbols.
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

// find is the symbol that holds a slot.
func (s *slots) find(slot uint32) int {
	symbol := int(s.first[uint8(slot>>8)])
	for s.edges[symbol+1] <= slot {
		symbol++
	}
	return symbol
}

// tables are those of one version of the stream.
type tables struct {
	law   func(scale float64) law
	least int // the bucket that smaller scales are coded as
	made  [buckets]atomic.Pointer[table]
}

// versions holds the tables of each version. In the least bucket of either one
// coefficient in some 50,000 is not zero.
var versions = [version + 1]*tables{1: {law: laplace}, 2: {law: weibull, least: 6}}

// of is the table of a bucket, made when first asked for. Two that ask at once
// may both make it: the tables are equal.
func (v *tables) of(bucket int) *table {
	if t := v.made[bucket].Load(); t != nil {
		return t
	}
	scale := bucketScale(bucket)
	t := newTable(v.law(scale), scale)
	v.made[bucket].Store(t)
	return t
}

func newTable(l law, scale float64) *table {
	t := &table{}
	some := l.some
	if 1-l.some >= runsFrom {
		t.runs = runSlots(1 - l.some)
		some = 1
	}
	if scale >= shiftFrom {
		_, octaves := math.Frexp(scale / shiftFrom) // groups see a scale from 4 to 8
		t.shift = uint(octaves)
	}
	edges := valueSlots(l, some, t.shift)
	t.values, t.escape = newSlots(edges), len(edges)-2
	t.freqs = append(t.freqs, edges[1])
	for s := 1; s <= t.escape; s++ {
		t.freqs = append(t.freqs, (edges[s+1]-edges[s])/2)
	}
	return t
}

// slotsOf rounds a probability to slots.
func slotsOf(p float64) uint32 { return uint32(math.Floor(float64(p*probOne) + 0.5)) }

// valueSlots divides the slots between zero, groups of 1<<shift magnitudes and
// the escape, given P(q != 0). Counted from the top, for each sign: the slots
// of all magnitudes from some group on.
func valueSlots(l law, some float64, shift uint) []uint32 {
	edges := []uint32{0}
	above := slotsOf(some / 2)
	if some < 1 {
		above = min(above, probOne/2-1) // a zero must have slots
	}
	for group := 1; ; group++ {
		edges = append(edges, probOne-2*above)
		if above <= leastTail {
			return append(edges, probOne)
		}
		tail := slotsOf(some / 2 * l.beyond(math.Ldexp(float64(group), int(shift))))
		above = min(max(tail, 1), above-1)
	}
}

// runSlots divides the slots between run lengths, each slot of at most one
// length; lengths end while an eighth of the slots is left, so that "at least
// that many" keeps a fine probability.
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

// longest is the most zeros that one symbol of runs tells.
func (s *slots) longest() int { return len(s.edges) - 2 }
