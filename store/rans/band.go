package rans

import (
	"math"
	"slices"
)

// A band is a group of left directions of nearly equal scale, which are coded as if their
// scales were equal: for a right direction they share a table, and runs of zeros extend over
// the band.
type band struct {
	scale float32 // the geometric mean of the largest and the smallest
	end   int     // the place after its last direction; its first is the end of the previous band
}

// bandRatio is the smallest ratio of the scales in a band: an octave is about six bands.
// Compared with a scale for each direction this takes 0.06% more bytes and half the time.
const bandRatio = 0.89

// lefts holds the left directions of a block in the order in which they are coded: largest
// scale first, in bands.
type lefts struct {
	tables *tables
	bands  []band
	order  []int32 // the direction at each place; empty if they are already in order
	scales []float32
	keys   []uint64 // scratch of sort
}

// set sets the left scale factors of a block, reusing memory.
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
	l.bands = l.bands[:0]
	for from := 0; from < len(l.scales); {
		first, end := l.scales[from], from+1
		for end < len(l.scales) && l.scales[end] >= first*bandRatio {
			end++
		}
		middle := math.Sqrt(float64(first) * float64(l.scales[end-1]))
		l.bands = append(l.bands, band{float32(middle), end})
		from = end
	}
}

// sort sorts the scales, equal ones by direction. The bits of floats that are not negative
// have the same order as the floats.
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

// direction returns the left direction at a place.
func (l *lefts) direction(place int) int {
	if len(l.order) > 0 {
		return int(l.order[place])
	}
	return place
}

// band returns the table of the k-th band for a right direction, and the place where the band
// ends. Scales descend, so if a band has the smallest bucket, all later ones have it too: they
// are one band.
func (l *lefts) band(k int, right float32) (t *table, end int) {
	bucket, end := bucketOf(right*l.bands[k].scale), l.bands[k].end
	if bucket <= l.tables.minBucket {
		bucket, end = l.tables.minBucket, l.size()
	}
	return l.tables.of(bucket), end
}

// size returns the number of directions.
func (l *lefts) size() int { return len(l.scales) }
