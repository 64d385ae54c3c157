package kernel

import (
	"sync"
	"time"
)

// PeakFMA returns the GFLOP/s of float32 multiply-adds in registers only, on the
// given number of threads together, measured for a duration. It bounds the speed of a
// float32 product.
func PeakFMA(threads int, d time.Duration) float64 {
	const rounds = 2000
	return 1e-9 * rate(threads, d, func(int) float64 { return fmaRounds(rounds) })
}

// PeakBF16 is PeakFMA for BF16 dot products. It returns 0 if the instruction set in
// use has none.
func PeakBF16(threads int, d time.Duration) float64 {
	if !multipliesBF16() {
		return 0
	}
	const rounds = 2000
	return 1e-9 * rate(threads, d, func(int) float64 { return bf16Rounds(rounds) })
}

// ReadBandwidth returns the GB/s of memory reads on the given number of threads
// together, each of which reads its share of a buffer of the given size over and over
// for a duration.
func ReadBandwidth(threads, bytes int, d time.Duration) float64 {
	parts := shares(threads, bytes)
	return 1e-9 * rate(threads, d, func(t int) float64 {
		for part := parts[t]; len(part) > 0; {
			n := min(len(part), 1<<18)
			readAll(part[:n])
			part = part[n:]
		}
		return 4 * float64(len(parts[t]))
	})
}

// CopyBandwidth is ReadBandwidth for copies, each thread copying one half of its share
// to the other. It counts bytes read and bytes written.
func CopyBandwidth(threads, bytes int, d time.Duration) float64 {
	parts := shares(threads, bytes)
	return 1e-9 * rate(threads, d, func(t int) float64 {
		half := len(parts[t]) / 2
		copy(parts[t][:half], parts[t][half:])
		return 8 * float64(half)
	})
}

// shares returns a buffer for each thread, written to so that its pages exist.
func shares(threads, bytes int) [][]float32 {
	const unit = 128 // elements that readAll takes at a time
	each := max(1, bytes/4/threads/unit) * unit
	parts := make([][]float32, threads)
	for t := range parts {
		parts[t] = make([]float32, each)
		for i := range parts[t] {
			parts[t][i] = 1
		}
	}
	return parts
}

// rate calls work on each thread for a duration, and returns the sum of its results
// per second.
func rate(threads int, d time.Duration, work func(thread int) float64) float64 {
	rates := make([]float64, threads)
	var done sync.WaitGroup
	for t := range threads {
		done.Go(func() {
			start, sum := time.Now(), 0.0
			for time.Since(start) < d {
				sum += work(t)
			}
			rates[t] = sum / time.Since(start).Seconds()
		})
	}
	done.Wait()
	total := 0.0
	for _, r := range rates {
		total += r
	}
	return total
}

// sink keeps the compiler from removing the generic measurements' work.
var sink struct {
	sync.Mutex // guards value
	value      float32
}

func keep(v float32) {
	sink.Lock()
	sink.value += v
	sink.Unlock()
}

func fmaRoundsGeneric(rounds int) float64 {
	var a, b, c, d, e, f, g, h float32
	x, y := float32(1.5), float32(0.25)
	for range rounds {
		a, b, c, d = a*y+x, b*y+x, c*y+x, d*y+x
		e, f, g, h = e*y+x, f*y+x, g*y+x, h*y+x
	}
	keep(a + b + c + d + e + f + g + h)
	return float64(rounds) * 8 * 2
}

func readGeneric(x []float32) {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
	}
	keep(a + b + c + d)
}
