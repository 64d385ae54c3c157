package runtime

import (
	"math"
	"slices"

	"eigenserve/runtime/kernel"
)

// Labels that look alike turn into one another sooner than others when a model
// is changed a little, and neither the probes nor built-in images show it: they
// are of none of a checkpoint's labels. Its head does, whose rows of labels that
// are hard to tell apart point nearly the same way. In four groups of the zoo that
// ranks how dense the margins of a variant's own images are near zero with a
// correlation of 0.62 to 0.83, the divergence on probes with 0.21 to 0.68.
const (
	// usualAlikeness is that of most heads: they are held to the default share.
	usualAlikeness = 0.175
	// alikePower is how fast the share falls with a head's alikeness.
	alikePower = 4
	// leastLeniency and mostLeniency bound what is made of a head.
	leastLeniency, mostLeniency = 0.25, 2
)

// leniency is what the divergence that a gate allows is multiplied by, for a head
// of labels that are more or less alike than is usual.
func leniency(head []float32, labels, inputs int) float64 {
	if labels < 3 { // two are as far apart as can be, whatever they are
		return 1
	}
	x := max(alikeness(head, labels, inputs), usualAlikeness/16)
	return max(leastLeniency, min(mostLeniency, math.Pow(usualAlikeness/x, alikePower)))
}

// alikeness is the mean over labels of the cosine of its row of the head
// (labels,width), the mean row taken off, to the nearest other's: by how much it
// exceeds that of rows which are all as far from each other as can be.
func alikeness(head []float32, labels, inputs int) float64 {
	const block = 256 // labels at once: of some heads they are tens of thousands
	rows, sum := directions(head, labels, inputs), 0.0
	cosines := make([]float32, min(block, labels)*labels)
	for from := 0; from < labels; from += block {
		n := min(block, labels-from)
		kernel.Gemm(false, true, n, labels, inputs, rows[from*inputs:], inputs, rows, inputs, cosines, labels, false)
		for i := range n {
			of := cosines[i*labels:][:labels]
			of[from+i] = -1 // itself
			sum += float64(slices.Max(of))
		}
	}
	return sum/float64(labels) + 1/float64(labels-1)
}

// directions are the rows of a head less their mean, without the bias, each of
// length 1; one that is the mean stays 0.
func directions(head []float32, labels, inputs int) []float32 {
	width, mean := len(head)/labels, make([]float64, inputs)
	for i := range labels {
		for k, x := range head[i*width:][:inputs] {
			mean[k] += float64(x) / float64(labels)
		}
	}
	out := make([]float32, labels*inputs)
	for i := range labels {
		square := 0.0
		for k, x := range head[i*width:][:inputs] {
			square += (float64(x) - mean[k]) * (float64(x) - mean[k])
		}
		if square == 0 {
			continue
		}
		for k, x := range head[i*width:][:inputs] {
			out[i*inputs+k] = float32((float64(x) - mean[k]) / math.Sqrt(square))
		}
	}
	return out
}
