package rans

import (
	"math"
	"sync"
)

// A Tally counts coefficients by the scale that was expected of them, to tell how
// long they would be under other scales. The zero value is empty.
type Tally struct {
	rows [rows][]int // by bucket, then by magnitude
	used []int       // the buckets that hold any
}

const (
	rows       = 1 << (31 - bucketShift) // one for each bucket that a float32 could have
	exact      = 16                      // magnitudes below count one by one, the others by bucket
	magnitudes = exact + (127+31)<<3 - (127+4)<<3
)

// Add counts a coefficient. The scale is as Block has it.
func (t *Tally) Add(scale float32, q int32) {
	n := int(max(q, -q))
	if n >= exact {
		n = exact + int(math.Float32bits(float32(n))>>bucketShift) - (127+4)<<3
	}
	bucket := int(math.Float32bits(factor(scale)) >> bucketShift)
	row := &t.rows[bucket]
	if *row == nil {
		t.used = append(t.used, bucket)
	}
	for len(*row) <= n {
		*row = append(*row, 0)
	}
	(*row)[n]++
}

// Bits is about the ideal code length if all scales were larger by so many
// eighths of an octave.
func (t *Tally) Bits(eighths int) float64 {
	total, all := 0.0, lengths()
	for _, i := range t.used {
		bits := &all[min(max(i+eighths-bucketLow, versions[version].least), buckets-1)]
		for n, count := range t.rows[i] {
			total += float64(float64(count) * bits[n])
		}
	}
	return total
}

// lengths are those of each magnitude in each bucket, in bits.
var lengths = sync.OnceValue(func() *[buckets][magnitudes]float64 {
	out := new([buckets][magnitudes]float64)
	for bucket := range out {
		l := versions[version].law(bucketScale(bucket))
		for n := range out[bucket] {
			q := n
			if n >= exact {
				q = int(bucketScale(n - exact + (127+4)<<3 - bucketLow))
			}
			out[bucket][n] = l.bits(int32(min(q, MaxMagnitude)))
		}
	}
	return out
})
