package image

import "math"

// filter is a resampling filter, by its number in Pillow.
type filter uint8

const (
	nearest filter = iota
	lanczos
	bilinear
	bicubic
	box
	hamming
)

// kernels are the weights of the filters by distance in source pixels, and their reach. Nearest
// picks a pixel, and has none.
var kernels = [...]struct {
	reach  float64
	weight func(x float64) float64
}{
	nearest:  {},
	lanczos:  {3, lanczosWeight},
	bilinear: {1, bilinearWeight},
	bicubic:  {2, bicubicWeight},
	box:      {0.5, boxWeight},
	hamming:  {1, hammingWeight},
}

func boxWeight(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func bilinearWeight(x float64) float64 { return max(0, 1-math.Abs(x)) }

// hammingWeight is one lobe of a sinc under a Hamming window.
func hammingWeight(x float64) float64 {
	if math.Abs(x) >= 1 {
		return 0
	}
	return sinc(x) * (0.54 + 0.46*math.Cos(math.Pi*x))
}

// bicubicWeight is the cubic convolution of Keys with a = -0.5.
func bicubicWeight(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// lanczosWeight is three lobes of a sinc under the main lobe of another.
func lanczosWeight(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// fixedBits is the precision of a tap. Of 32 bits, 8 are for the pixel and 2 are headroom for
// weights above one. It is Pillow's, so that both round alike.
const fixedBits = 32 - 8 - 2

// taps are the weights of one axis in fixed point: output i is the sum over j < count[i] of
// weights[i*stride+j] times source pixel first[i]+j.
type taps struct {
	first, count []int32
	weights      []int32
	stride       int
	row          []float64 // weights of one output before rounding
}

// compute sets the taps of the outputs that the axis keeps. To shrink, the filter is stretched by
// the scale, so that every source pixel counts.
func (t *taps) compute(f filter, a axis) {
	if f == nearest {
		t.computeNearest(a)
		return
	}
	k := kernels[f]
	scale := float64(a.in) / float64(a.out)
	stretch := max(scale, 1)
	reach, shrink := k.reach*stretch, 1/stretch
	t.resize(a.kept, int(math.Ceil(reach))*2+1)
	for i := range a.kept {
		center := (float64(a.skip+i) + 0.5) * scale
		lo := max(0, int(center-reach+0.5))
		hi := min(a.in, int(center+reach+0.5))
		t.first[i], t.count[i] = int32(lo), int32(hi-lo)
		sum := 0.0
		for j := range hi - lo {
			w := k.weight((float64(lo+j) - center + 0.5) * shrink)
			t.row[j] = w
			sum += w
		}
		for j, w := range t.row[:hi-lo] {
			t.weights[i*t.stride+j] = int32(math.Round(w / sum * (1 << fixedBits)))
		}
	}
}

// computeNearest picks one source pixel for each output. It adds up positions step by step, as
// Pillow does, because the rounding of the sum decides between two pixels at a border.
func (t *taps) computeNearest(a axis) {
	t.resize(a.kept, 0)
	step := float64(a.in) / float64(a.out)
	at := step * 0.5
	for range a.skip {
		at += step
	}
	for i := range t.first {
		t.first[i], t.count[i] = int32(min(int(at), a.in-1)), 1
		at += step
	}
}

// resize makes room for n outputs of at most stride taps.
func (t *taps) resize(n, stride int) {
	t.stride = stride
	t.first, t.count = sized(t.first, n), sized(t.count, n)
	t.weights, t.row = sized(t.weights, n*stride), sized(t.row, stride)
}

// span returns the range of source pixels that the taps read.
func (t *taps) span() (lo, hi int) {
	last := len(t.first) - 1
	return int(t.first[0]), int(t.first[last] + t.count[last])
}

// sized returns s with length n, reallocated if it is too short. Its content is undefined.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
