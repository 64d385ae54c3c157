package code

import (
	"cmp"
	"slices"
)

// lefts are a block's left scale factors in the order that they are coded in:
// descending, so that for each right direction the coefficients of one bucket
// lie side by side, in a stretch.
type lefts struct {
	scales []float32
	order  []int32 // the direction at each place; nil when they came descending
}

// set takes over the left scale factors of a block, reusing what memory it has.
func (l *lefts) set(left []float32) {
	l.scales = slices.Grow(l.scales[:0], len(left))
	descending := true
	for i, v := range left {
		v = factor(v)
		descending = descending && (i == 0 || v <= l.scales[i-1])
		l.scales = append(l.scales, v)
	}
	l.order = l.order[:0]
	if descending {
		return
	}
	for i := range left {
		l.order = append(l.order, int32(i))
	}
	slices.SortFunc(l.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.scales[b], l.scales[a]), cmp.Compare(a, b))
	})
	slices.SortFunc(l.scales, func(a, b float32) int { return cmp.Compare(b, a) })
}

// direction is the left direction at a place of the order.
func (l *lefts) direction(place int) int {
	if len(l.order) > 0 {
		return int(l.order[place])
	}
	return place
}

// stretch is the bucket of the coefficient at place from, and the place where
// the next bucket begins. A product of float32s never grows when a factor
// shrinks, so buckets fall along the order and the end can be searched for.
func (l *lefts) stretch(right float32, from int) (bucket, end int) {
	bucket = bucketOf(right * l.scales[from])
	if bucket == 0 {
		return 0, len(l.scales)
	}
	edge := bucketEdge(bucket)
	low, step := from, 1
	for low+step < len(l.scales) && right*l.scales[low+step] >= edge {
		low += step
		step *= 2
	}
	high := min(low+step, len(l.scales))
	for low+1 < high {
		middle := int(uint(low+high) >> 1)
		if right*l.scales[middle] >= edge {
			low = middle
		} else {
			high = middle
		}
	}
	return bucket, high
}
