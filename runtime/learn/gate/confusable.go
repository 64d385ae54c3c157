package gate

import (
	"math"
	"slices"

	"eigenserve/runtime/kernel"
)

// When a model changes a little, an image is more likely to change from one label to
// another if the two are easily confused. Probes do not show that, since they have none
// of a checkpoint's labels. The head does: its rows for labels that are hard to tell
// apart point in nearly the same direction. In four groups of test models, the
// correlation of this similarity with the density of margins near zero, on images that
// do have the labels, is 0.62 to 0.83; that of the divergence on probes is 0.21 to 0.68.
const (
	// usualSimilarity is the similarity of most heads, whose leniency is 1.
	usualSimilarity = 0.175
	// leniencyPower says how fast the leniency falls as the similarity grows.
	leniencyPower            = 4
	minLeniency, maxLeniency = 0.25, 2
)

// leniency returns the factor on the divergence that is allowed for a head (labels,
// width): below 1 if its labels are more similar than usual, above 1 if they are less.
func leniency(head []float32, labels, inputs int) float64 {
	if labels < 3 { // the rows of two labels are always opposite
		return 1
	}
	x := max(labelSimilarity(head, labels, inputs), usualSimilarity/16)
	return max(minLeniency, min(maxLeniency, math.Pow(usualSimilarity/x, leniencyPower)))
}

// labelSimilarity returns the mean, over the labels of a head (labels, width), of the
// largest cosine between the label's row and another row, the mean row subtracted. The
// cosine of rows that are all equally far apart, −1/(labels−1), counts as 0.
func labelSimilarity(head []float32, labels, inputs int) float64 {
	const block = 256 // labels at a time: some heads have tens of thousands
	rows, sum := unitRows(head, labels, inputs), 0.0
	cosines := make([]float32, min(block, labels)*labels)
	for from := 0; from < labels; from += block {
		n := min(block, labels-from)
		kernel.Gemm(kernel.NoTrans, kernel.Trans, n, labels, inputs, rows[from*inputs:], inputs, rows, inputs, cosines, labels, false)
		for i := range n {
			row := cosines[i*labels:][:labels]
			row[from+i] = -1 // with itself
			sum += float64(slices.Max(row))
		}
	}
	return sum/float64(labels) + 1/float64(labels-1)
}

// unitRows returns the rows of a head without the bias, (labels, inputs), less the mean
// row and scaled to length 1. A row that equals the mean is 0.
func unitRows(head []float32, labels, inputs int) []float32 {
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
