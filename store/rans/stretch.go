package rans

import (
	"math"
	"slices"
)

// A stretch is a group of left directions of nearly equal scale, coded as if
// all had the same: for any right direction they share one table, and their
// zeros one run.
type stretch struct {
	scale float32 // the geometric mean of the largest and the smallest
	end   int     // the place after its last direction; its first is the end of the stretch before
}

// stretchRatio is the least that the smallest scale in a stretch may be of the
// largest: about six stretches make an octave. Against a scale for each
// direction this costs 0.06% of the bytes and saves half of the time.
const stretchRatio = 0.89

// lefts are a block's left directions in the order that they are coded in:
// largest scale first, in stretches.
type lefts struct {
	tables    *tables
	stretches []stretch
	order     []int32 // the direction at each place; empty when they came in order
	scales    []float32
	keys      []uint64 // to sort
}

// set takes over the left scale factors of a block, reusing what memory it has.
func (l *lefts) set(left []float32) {
	l.scales, l.order = l.scales[:0], l.order[:0]
	sorted := true
	for i, v := range left {
		l.scales = append(l.scales, factor(v))
		sorted = sorted && (i == 0 || l.scales[i] <= l.scales[i-1])
	}
	if !sorted {
		l.sort()
	}
	l.stretches = l.stretches[:0]
	for from := 0; from < len(l.scales); {
		first, end := l.scales[from], from+1
		for end < len(l.scales) && l.scales[end] >= first*stretchRatio {
			end++
		}
		middle := math.Sqrt(float64(first) * float64(l.scales[end-1]))
		l.stretches = append(l.stretches, stretch{float32(middle), end})
		from = end
	}
}

// sort orders the scales, equal ones by direction. The bits of a float32 that
// is not negative order as the number does.
func (l *lefts) sort() {
	l.keys = l.keys[:0]
	for i, v := range l.scales {
		l.keys = append(l.keys, uint64(^math.Float32bits(v))<<32|uint64(i))
	}
	slices.Sort(l.keys)
	for place, key := range l.keys {
		l.scales[place] = math.Float32frombits(^uint32(key >> 32))
		l.order = append(l.order, int32(uint32(key)))
	}
}

// direction is the left direction at a place of the order.
func (l *lefts) direction(place int) int {
	if len(l.order) > 0 {
		return int(l.order[place])
	}
	return place
}

// stretch is the table of the k-th stretch for a right direction, and the place
// where it ends. Scales fall, so the least bucket is also that of every later
// stretch: they are all one.
func (l *lefts) stretch(k int, right float32) (t *table, end int) {
	bucket, end := bucketOf(right*l.stretches[k].scale), l.stretches[k].end
	if bucket <= l.tables.least {
		bucket, end = l.tables.least, l.size()
	}
	return l.tables.of(bucket), end
}

// size is the number of directions.
func (l *lefts) size() int { return len(l.scales) }
