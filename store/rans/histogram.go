package rans

import (
	"math"
	"sync"
)

// A Histogram counts coefficients by their predicted scale and their magnitude. From the
// counts it estimates their code length under other scales. The zero value is empty.
type Histogram struct {
	counts [rows][]int // by bucket, then by magnitude
	used   []int       // buckets with counts
}

const (
	rows       = 1 << (31 - bucketShift) // the buckets of all float32 scales
	exact      = 16                      // smaller magnitudes are counted one by one, others by bucket
	magnitudes = exact + (127+31)<<3 - (127+4)<<3
)

// Add counts a coefficient with a scale as in Block, in steps.
func (t *Histogram) Add(scale float32, q int32) {
	n := int(max(q, -q))
	if n >= exact {
		n = exact + int(math.Float32bits(float32(n))>>bucketShift) - (127+4)<<3
	}
	bucket := int(math.Float32bits(factor(scale)) >> bucketShift)
	row := &t.counts[bucket]
	if *row == nil {
		t.used = append(t.used, bucket)
	}
	for len(*row) <= n {
		*row = append(*row, 0)
	}
	(*row)[n]++
}

// Bits returns the approximate ideal code length, in bits, if all scales were larger by some
// eighths of an octave.
func (t *Histogram) Bits(eighths int) float64 {
	total, all := 0.0, lengths()
	for _, i := range t.used {
		bits := &all[min(max(i+eighths-bucketLow, versions[version].minBucket), buckets-1)]
		for n, count := range t.counts[i] {
			total += float64(float64(count) * bits[n])
		}
	}
	return total
}

// lengths returns the code length of each magnitude in each bucket, in bits.
var lengths = sync.OnceValue(func() *[buckets][magnitudes]float64 {
	out := new([buckets][magnitudes]float64)
	for bucket := range out {
		l := versions[version].distribution(bucketScale(bucket))
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
