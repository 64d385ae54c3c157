package subspace

import (
	"fmt"
	"math"
	"slices"

	"eigenserve/store"
)

// Sketch is a random projection of each shared layer of a checkpoint to a few numbers, for
// estimating cosines and distances between checkpoints: those of sketches are within a few
// percent of those of the weights. The projection is a count sketch, in which each weight is
// added to or subtracted from one number (Charikar, Chen, Farach-Colton 2002). It is linear,
// so the sketch of a mean is the mean of the sketches.
type Sketch [][]float32

// sketchLen is the number of numbers per layer. The cosine of two unrelated layers is then 0
// to within 1/√sketchLen.
const sketchLen = 256

// SketchOf returns the sketch of a checkpoint, reading its layers once.
func SketchOf(s Source, layout store.Layout) (Sketch, error) {
	out := make(Sketch, len(layout.Layers))
	var w, scratch []float32
	for i, l := range layout.Layers {
		w, scratch = resized(w, l.Parameters()), resized(scratch, layerScratch(l))
		if err := readLayer(s, l, w, scratch); err != nil {
			return nil, err
		}
		out[i] = sketch(w, uint64(i))
	}
	return out, nil
}

// SketchOfMean returns the sketch of a basis's mean.
func SketchOfMean(b *store.Basis) (Sketch, error) {
	out := make(Sketch, len(b.Layers))
	for i := range b.Layers {
		w, err := meanOf(&b.Layers[i])
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", b.Layers[i].Name, err)
		}
		out[i] = sketch(w, uint64(i))
	}
	return out, nil
}

// sketch returns the sketch of one layer.
func sketch(w []float32, seed uint64) []float32 {
	var sum [sketchLen]float64
	seed *= 0x9e3779b97f4a7c15
	for i, x := range w {
		h := mix(seed + uint64(i))
		sign := uint32(h>>63) << 31 // a branch would be mispredicted half of the time
		sum[h%sketchLen] += float64(math.Float32frombits(math.Float32bits(x) ^ sign))
	}
	out := make([]float32, sketchLen)
	for i, x := range sum {
		out[i] = float32(x)
	}
	return out
}

// mix hashes a number to 64 bits (splitmix64: Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// MeanSketch returns the mean of sketches.
func MeanSketch(sketches []Sketch) Sketch {
	out := make(Sketch, len(sketches[0]))
	for i := range out {
		out[i] = make([]float32, sketchLen)
		for _, s := range sketches {
			for k, x := range s[i] {
				out[i][k] += x / float32(len(sketches))
			}
		}
	}
	return out
}

// Cosine returns the cosine between two sketches, the median over the layers. It is near 0 for
// models that were trained from unrelated starts, and near 1 for fine-tunes of one model.
func (s Sketch) Cosine(t Sketch) float64 {
	return medianOverLayers(s, func(i int) float64 {
		return dot(s[i], t[i]) / math.Sqrt(dot(s[i], s[i])*dot(t[i], t[i]))
	})
}

// Distance returns the length of s − t relative to that of t, the median over the layers.
func (s Sketch) Distance(t Sketch) float64 {
	return medianOverLayers(s, func(i int) float64 {
		d := dot(s[i], s[i]) + dot(t[i], t[i]) - 2*dot(s[i], t[i])
		return math.Sqrt(max(d, 0) / dot(t[i], t[i]))
	})
}

// medianOverLayers returns the median of a value over the layers, without those for which it is
// not finite, which are layers of zeros.
func medianOverLayers(s Sketch, of func(i int) float64) float64 {
	var all []float64
	for i := range s {
		if x := of(i); x-x == 0 {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return 1
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// dot returns the inner product of a and b.
func dot(a, b []float32) float64 {
	d := 0.0
	for i, x := range a {
		d += float64(x) * float64(b[i])
	}
	return d
}
