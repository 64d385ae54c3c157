package main

import (
	"fmt"
	"math"
	"slices"

	"eigenserve/store/rans"
)

// rawSteps quantises the raw deltas of all tensors with one step and codes them with our
// coder, each tensor under its own scale.
func rawSteps(f *family) []coder {
	var out []coder
	for _, step := range []float64{16, 8, 5.6, 4, 2.8, 2, 1.4} {
		out = append(out, f.onDeltas("one step on raw deltas", fmt.Sprintf("step %g", step), func(_ *checkpointAt, deltas [][]float32) float64 {
			return entropyCoded(deltas, slices.Repeat([]float64{step * f.rms()}, len(deltas)))
		}))
	}
	return out
}

// rms returns the root-mean-square delta of some of the members.
func (f *family) rms() float64 {
	f.rmsOnce.Do(func() {
		sum, count := 0.0, 0
		for i := 0; i < len(f.members); i += 8 {
			deltas, err := f.deltas(f.members[i])
			if err != nil {
				panic(err) // cannot happen: the mean was read from the same tensors
			}
			for _, d := range deltas {
				sum += energy(d)
				count += len(d)
			}
		}
		f.scale = math.Sqrt(sum / float64(count))
	})
	return f.scale
}

// energy returns the sum of squares.
func energy(d []float32) float64 {
	sum := 0.0
	for _, x := range d {
		sum += float64(x) * float64(x)
	}
	return sum
}

// magnitude returns the mean absolute value.
func magnitude(d []float32) float64 {
	sum := 0.0
	for _, x := range d {
		sum += math.Abs(float64(x))
	}
	return sum / float64(len(d))
}

// entropyCoded rounds each delta to multiples of its step as our coder does, which keeps
// the mean magnitude. It returns the size in bits: the stream, and a byte of scale for
// each tensor.
func entropyCoded(deltas [][]float32, steps []float64) float64 {
	var blocks []rans.Block
	for k, d := range deltas {
		step := steps[k]
		scale := magnitude(d) / step
		f := rans.Rounding(max(scale, 1e-6))
		b := rans.Block{Right: []float32{float32(scale)}, Left: slices.Repeat([]float32{1}, len(d)), Q: make([]int32, len(d))}
		for i, x := range d {
			q := math.Copysign(math.Floor(math.Abs(float64(x))/step+f), float64(x))
			b.Q[i], d[i] = int32(q), float32(q*step)
		}
		blocks = append(blocks, b)
	}
	stream, err := rans.Encode(blocks)
	if err != nil {
		panic(err)
	}
	return 8 * float64(len(stream)+len(blocks))
}

// vectorsCoded codes the vectors, which the published coders leave open, with our coder.
// The step of each is its root mean square, which takes another byte, and about a bit
// for each number. It returns the size in bits.
func (f *family) vectorsCoded(deltas [][]float32) float64 {
	var vectors [][]float32
	var steps []float64
	for i, t := range f.tensors {
		if rms := math.Sqrt(energy(deltas[i]) / float64(len(deltas[i]))); t.rows == 1 && rms > 0 {
			vectors, steps = append(vectors, deltas[i]), append(steps, rms)
		}
	}
	return entropyCoded(vectors, steps) + float64(8*len(vectors))
}

// matrices calls code for every matrix's delta and codes the vectors. It returns the size
// in bits.
func (f *family) matrices(deltas [][]float32, code func(i int, t tensor, d []float32) float64) float64 {
	bits := f.vectorsCoded(deltas)
	for i, t := range f.tensors {
		if t.rows > 1 {
			bits += code(i, t, deltas[i])
		}
	}
	return bits
}

// bitDelta keeps the signs, and for each matrix the mean magnitude as a scale (Liu and
// others, arXiv:2402.10193). The scales are not distilled.
func bitDelta(f *family) []coder {
	return []coder{f.onDeltas("BitDelta", "1 bit", func(_ *checkpointAt, deltas [][]float32) float64 {
		return f.matrices(deltas, func(_ int, _ tensor, d []float32) float64 {
			scale := magnitude(d)
			for i, x := range d {
				d[i] = float32(math.Copysign(scale, float64(x)))
			}
			return float64(len(d)) + 16
		})
	})}
}

// blocks rounds to 2 or 4 bits with a scale of 16 bits for each block, chosen by the
// square error.
func blocks(f *family) []coder {
	var out []coder
	for _, bits := range []int{2, 4} {
		for _, size := range []int{64, 256} {
			out = append(out, f.onDeltas("block scales", fmt.Sprintf("%d bits, blocks of %d", bits, size), func(_ *checkpointAt, deltas [][]float32) float64 {
				return f.matrices(deltas, func(_ int, _ tensor, d []float32) float64 {
					total := 0.0
					for block := range slices.Chunk(d, size) {
						rounded(block, bits)
						total += float64(bits*len(block) + 16)
					}
					return total
				})
			}))
		}
	}
	return out
}

// rounded replaces numbers by the nearest of 2^bits levels, which are symmetric about zero
// and do not include it, at the scale of the least square error.
func rounded(d []float32, bits int) {
	largest := 0.0
	for _, x := range d {
		largest = max(largest, math.Abs(float64(x)))
	}
	if largest == 0 {
		return
	}
	half := float64(int(1) << bits / 2)
	level := func(x, step float64) float64 {
		return math.Copysign(min(math.Floor(math.Abs(x)/step), half-1)+0.5, x) * step
	}
	best, least := 0.0, math.Inf(1)
	for k := 1.0; k >= 0.2; k -= 0.1 {
		step, sum := k*largest/half, 0.0
		for _, x := range d {
			e := float64(x) - level(float64(x), step)
			sum += e * e
		}
		if sum < least {
			best, least = step, sum
		}
	}
	for i, x := range d {
		d[i] = float32(level(float64(x), best))
	}
}
